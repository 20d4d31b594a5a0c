//! SIGHUP: the configuration and the whitelists are read again. All that may change at work is swapped in at once, or, if
//! anything is wrong, nothing is.

use std::sync::Arc;

use crate::config::lists::{self, Source};
use crate::config::{Asked, ConfigError, Configured, Host, Settings, Shown, Texts};
use crate::grey::rules::Rules;
use crate::grey::whitelist::Lists;
use crate::policy::Replies;
use crate::store::Store;
use crate::worker::{Live, Shared};

/// What a reload needs.
#[derive(Debug)]
pub struct Reload {
    asked: Asked,
    host: Host,
    /// The settings in use.
    shown: Vec<Shown>,
    /// What the lists in use were made from.
    sources: Vec<Source>,
    shared: Arc<Shared>,
    store: Arc<Store>,
}

/// What decisions are made by, as these settings have it.
pub fn live(settings: &Settings, lists: Lists) -> Live {
    let Texts { action, text, header, hostname } = &settings.texts;
    Live {
        terms: settings.terms,
        replies: Replies::new(action, text, header, hostname, env!("CARGO_PKG_VERSION")),
        rules: Rules::default(),
        lists,
        quiet: settings.logs.quiet,
    }
}

impl Reload {
    /// Reloads what `asked` names, of which `configured` and the lists made from `sources` are in use in `shared` and `store`.
    pub fn new(
        asked: &Asked,
        host: &Host,
        configured: &Configured,
        sources: Vec<Source>,
        shared: &Arc<Shared>,
        store: &Arc<Store>,
    ) -> Self {
        Self {
            asked: asked.clone(),
            host: host.clone(),
            shown: configured.shown.clone(),
            sources,
            shared: Arc::clone(shared),
            store: Arc::clone(store),
        }
    }

    /// Reads everything again and publishes it. Logs what has changed and what needs a restart, or file, line and reason why
    /// nothing has.
    pub(super) fn run(&mut self) {
        match self.read() {
            Ok((configured, loaded)) => {
                self.publish(&configured.settings, loaded.lists);
                loaded.sources.iter().for_each(|source| log::info!("{source}"));
                self.sources = loaded.sources;
                self.tell(configured.shown);
                log::info!("reloaded");
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    log::error!("not reloaded, everything stays as it was: {line}");
                }
            }
        }
    }

    fn read(&self) -> Result<(Configured, lists::Loaded), ConfigError> {
        let configured = self.asked.read(&self.host)?;
        let loaded = lists::load(&configured.settings.lists, &self.sources)?;
        Ok((configured, loaded))
    }

    fn publish(&self, settings: &Settings, lists: Lists) {
        // First, so that no worker finds something alive by new times that upkeep drops by old ones.
        self.store.set_terms(&settings.terms);
        self.shared.live.store(Arc::new(live(settings, lists)));
        log::set_max_level(settings.logs.level());
    }

    /// Logs each difference to the settings in use. What needs a restart stays one until that.
    fn tell(&mut self, shown: Vec<Shown>) {
        for new in shown {
            let Some(old) = self.shown.iter_mut().find(|old| old.key == new.key && old.values != new.values) else {
                continue;
            };
            if new.may_change_at_work() {
                log::info!("changed: {new} (before: {old})");
                *old = new;
            } else {
                log::warn!("needs a restart: {new} (until then: {old})");
            }
        }
    }
}
