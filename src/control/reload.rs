//! Reading the whitelists again: the new ones are swapped in whole, or the old ones stay.

use std::sync::Arc;

use crate::config::{ListSettings, lists};
use crate::worker::Shared;

/// What a reload needs.
#[derive(Debug)]
pub struct Reload {
    settings: ListSettings,
    shared: Arc<Shared>,
}

impl Reload {
    /// Reloads the lists of `settings` into `shared`.
    pub fn new(settings: &ListSettings, shared: &Arc<Shared>) -> Self {
        Self { settings: settings.clone(), shared: Arc::clone(shared) }
    }

    /// Reads the lists and publishes them. Logs what was read, or the file, line and reason why nothing changed.
    pub(super) fn run(&self) {
        match lists::load(&self.settings) {
            Ok(loaded) => {
                self.shared.lists.store(Arc::new(loaded.lists));
                loaded.sources.iter().for_each(|source| log::info!("{source}"));
                log::info!("whitelists reloaded");
            }
            Err(error) => log::error!("whitelists not reloaded, the old ones stay in use: {error}"),
        }
    }
}
