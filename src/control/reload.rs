//! Reading the whitelists again: the new ones are swapped in whole, or the old ones stay.

use std::sync::Arc;

use crate::config::ListSettings;
use crate::config::lists::{self, Source};
use crate::worker::{Live, Shared};

/// What a reload needs.
#[derive(Debug)]
pub struct Reload {
    settings: ListSettings,
    shared: Arc<Shared>,
    /// What the lists in use were made from.
    sources: Vec<Source>,
}

impl Reload {
    /// Reloads the lists of `settings` into `shared`, where those made from `sources` are.
    pub fn new(settings: &ListSettings, shared: &Arc<Shared>, sources: Vec<Source>) -> Self {
        Self { settings: settings.clone(), shared: Arc::clone(shared), sources }
    }

    /// Reads the lists and publishes them. Logs what was read, or the file, line and reason why nothing changed.
    pub(super) fn run(&mut self) {
        match lists::load(&self.settings, &self.sources) {
            Ok(loaded) => {
                let live = self.shared.live.load();
                let (terms, replies) = (live.terms, live.replies.clone());
                self.shared.live.store(Arc::new(Live { terms, replies, lists: loaded.lists }));
                loaded.sources.iter().for_each(|source| log::info!("{source}"));
                self.sources = loaded.sources;
                log::info!("whitelists reloaded");
            }
            Err(error) => log::error!("whitelists not reloaded, the old ones stay in use: {error}"),
        }
    }
}
