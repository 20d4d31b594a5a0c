//! The commented example of a configuration file, made from the definitions of the options and of the rules: it shows every key
//! with its meaning and its default.

use std::fmt::Write;

use clap::{Arg, Command};

use super::file::{DEFAULT_FILE, is_list, settable};
use super::shown::{may_change_at_work, toml_value};
use super::{rule, serve};

/// Columns of a comment.
const WIDTH: usize = 100;

/// The example. Nothing in it is set: each key stands with its default, as a comment.
pub fn example() -> String {
    let mut text = format!(
        "# Configuration of irongrey: {DEFAULT_FILE}, or the file that --config names.\n\
         # Each key is an option of `irongrey serve`, and an option on the command line wins over it.\n\
         # `irongrey config check` says what is wrong here; `systemctl reload irongrey`, or SIGHUP, takes over all but\n\
         # what is marked (restart). Times are written 300s, 5m, 2h, 35d; sizes 512M, 4G.\n"
    );
    push_keys(&mut text, &serve::definition(), |key| if may_change_at_work(key) { "" } else { " (restart)" });
    text.push_str(
        "\n# Rules: the first that holds for a request counts, whatever its number of entries and theirs. Whitelists come before\n\
         # them. What a rule does not set is as everywhere.\n#\n\
         # [[rule]]\n# recipient = [\"example.org\", \"postmaster@example.net\"]\n# greylist = false\n#\n\
         # The keys of a rule:\n#[[rule]]\n",
    );
    push_keys(&mut text, &rule::definition(), |_| "");
    text
}

fn push_keys(text: &mut String, definition: &Command, note: impl Fn(&str) -> &'static str) {
    for (key, argument) in settable(definition) {
        text.push('\n');
        for line in wrapped(&(help(argument) + note(key))) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "#{key} = {}", default(argument));
    }
}

fn help(argument: &Arg) -> String {
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let possible = argument.get_possible_values();
    if !possible.is_empty() && !argument.is_hide_possible_values_set() {
        let names: Vec<&str> = possible.iter().map(clap::builder::PossibleValue::get_name).collect();
        let _ = write!(help, " [one of: {}]", names.join(", "));
    }
    help
}

/// The default, or else what kind of value it is.
fn default(argument: &Arg) -> String {
    let defaults = argument.get_default_values();
    let name = argument.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
    let value = defaults.first().map_or(name, |value| value.to_str().unwrap_or(name));
    if is_list(argument) { format!("[{}]", toml_value(value)) } else { toml_value(value) }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::file::File;
    use super::super::{Asked, Host};
    use super::*;
    use crate::cli::{self, Environment};

    #[test]
    fn each_default_that_it_shows_is_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("irongrey.toml");
        let text = example();
        let definition = serve::definition();
        let with_default = settable(&definition).filter(|(_, argument)| !argument.get_default_values().is_empty());
        let line =
            |key: &str| text.lines().find_map(|line| line.strip_prefix('#').filter(|line| line.starts_with(key)));
        let set: String = with_default.map(|(key, _)| line(&format!("{key} = ")).unwrap().to_owned() + "\n").collect();
        assert!(set.lines().count() > 15, "{set}");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let words = ["irongrey", "serve", "--config", file.to_str().unwrap()].map(Into::into).to_vec();
            let cli::Command::Serve(arguments) = cli::parse(words, &Environment::default()).unwrap() else { panic!() };
            Asked::Serve(arguments).read(&Host::read()).unwrap().shown
        };
        let values = |text: &str| read(text).into_iter().map(|shown| (shown.key, shown.values)).collect::<Vec<_>>();
        assert_eq!(values(&set), values(""));
        assert_eq!(values(&text), values(""), "as it is it sets nothing");
        assert!(File::find(Some(&file), &Host::read()).unwrap().unwrap().settings.is_empty());
    }

    #[test]
    fn it_shows_every_key() {
        let text = example();
        for definition in [serve::definition(), rule::definition()] {
            for (key, _) in settable(&definition) {
                assert!(text.contains(&format!("\n#{key} = ")), "{key}");
            }
        }
    }
}
