//! SIGHUP: the configuration and the whitelists are read again. All that may change at work is swapped in at once, or, if
//! anything is wrong, nothing is.

use std::sync::Arc;

use crate::config::lists::{self, Loaded, Source};
use crate::config::rule::RuleTable;
use crate::config::rules::RuleFile;
use crate::config::{Asked, ConfigError, Configured, Host, Settings, Shown, rules};
use crate::store::Store;
use crate::worker::{Live, Shared};

/// What a reload needs.
#[derive(Debug)]
pub struct Reload {
    asked: Asked,
    host: Host,
    /// The settings in use.
    shown: Vec<Shown>,
    rules: Vec<RuleTable>,
    /// What the lists in use were made from.
    sources: Vec<Source>,
    shared: Arc<Shared>,
    store: Arc<Store>,
}

/// What was read of files.
#[derive(Debug)]
pub struct Fresh {
    /// What decisions are made by.
    pub live: Live,
    /// What the whitelists were made from.
    pub sources: Vec<Source>,
    /// What the rules were made from beside the configuration.
    pub rule_files: Vec<RuleFile>,
}

impl Fresh {
    /// Logs each file.
    pub fn tell(&self) {
        for source in &self.sources {
            log::info!("{source}");
        }
        for file in &self.rule_files {
            log::info!("{file}");
        }
    }
}

/// Reads all that decisions are made by, as these settings have it. The files of `before` have to be there.
pub fn load(settings: &Settings, before: &[Source]) -> Result<Fresh, ConfigError> {
    let Loaded { lists, sources } = lists::load(&settings.lists, before)?;
    let replies = settings.texts.replies();
    let (rules, rule_files) = rules::load(settings, &replies)?;
    let live = Live { terms: settings.terms, replies, rules, lists, quiet: settings.logs.quiet };
    Ok(Fresh { live, sources, rule_files })
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
        // Should the default file go away by mistake, its settings and rules would go with it.
        let asked = asked.clone();
        let asked = match &configured.settings.config {
            Some(file) => asked.with_file(file),
            None => asked,
        };
        Self {
            asked,
            host: Host { listening: Some(configured.settings.listen.clone()), ..host.clone() },
            shown: configured.shown.clone(),
            rules: configured.settings.rules.clone(),
            sources,
            shared: Arc::clone(shared),
            store: Arc::clone(store),
        }
    }

    /// Reads everything again and publishes it. Logs what has changed and what needs a restart, or file, line and reason why
    /// nothing has, and gives false then.
    pub(super) fn run(&mut self) -> bool {
        match self.read() {
            Ok((configured, fresh)) => {
                // First, so that no worker finds something alive by new times that upkeep drops by old ones.
                self.store.set_terms(&fresh.live.terms_of_state());
                fresh.tell();
                self.shared.live.store(Arc::new(fresh.live));
                log::set_max_level(configured.settings.logs.level());
                self.sources = fresh.sources;
                self.tell(configured);
                log::info!("configuration and whitelists reloaded");
                true
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    log::error!("not reloaded, everything stays as it was: {line}");
                }
                false
            }
        }
    }

    fn read(&self) -> Result<(Configured, Fresh), ConfigError> {
        let configured = self.asked.read(&self.host)?;
        let fresh = load(&configured.settings, &self.sources)?;
        Ok((configured, fresh))
    }

    /// Logs each difference to the settings in use. What needs a restart stays one until that.
    fn tell(&mut self, configured: Configured) {
        let rules = configured.settings.rules;
        if rules.iter().map(RuleTable::text).ne(self.rules.iter().map(RuleTable::text)) {
            log::info!("changed: the rules, of which there are {} (before: {})", rules.len(), self.rules.len());
        }
        self.rules = rules;
        for new in configured.shown {
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
