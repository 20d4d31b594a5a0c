//! Loading whitelists from real files: what is read, what is refused, and what stays out.

use std::fs;

use tempfile::TempDir;

use super::*;

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

fn settings(builtin: Builtin) -> ListSettings {
    ListSettings {
        builtin,
        clients: vec![],
        recipients: vec![],
        clients_if_present: vec![],
        recipients_if_present: vec![],
    }
}

fn read(loaded: &Loaded) -> Vec<String> {
    loaded.sources.iter().map(ToString::to_string).collect()
}

#[test]
fn files_and_shipped_lists_are_merged() {
    let dir = Dir::new();
    let named = dir.file("clients", "example.org\n192.0.2\n");
    let found = dir.file("clients.local", "/pool/\r\n");
    let recipients = dir.file("recipients", "# none\n");
    let settings = ListSettings {
        clients: vec![named.clone()],
        clients_if_present: vec![dir.0.path().join("absent"), found.clone()],
        recipients: vec![recipients.clone()],
        ..settings(Builtin::Always)
    };
    let loaded = load(&settings, &[]).expect("good files");
    let lists = &loaded.lists;
    assert!(lists.clients.has_name(b"a.example.org") && lists.clients.has_name(b"xpoolx"));
    assert!(lists.clients.has_name(b"mail-wm1-f50.google.com"));
    assert!(lists.clients.has_address("192.0.2.7".parse().expect("an address")));
    assert!(lists.recipients.has(b"postmaster@example.org"));
    let shown = read(&loaded);
    assert_eq!(shown[0], format!("client whitelist {}: 2 entries", named.display()));
    assert_eq!(shown[1], format!("client whitelist {}: 1 entry", found.display()));
    assert!(shown[2].starts_with("client whitelist shipped with irongrey: "), "{}", shown[2]);
    assert_eq!(shown[3], format!("recipient whitelist {}: 0 entries", recipients.display()));
    assert_eq!(shown[4], "recipient whitelist shipped with irongrey: 2 entries");
    assert_eq!(shown.len(), 5);
}

#[test]
fn without_files_the_shipped_list_of_that_kind_counts() {
    let dir = Dir::new();
    let file = dir.file("clients", "example.org\n");
    for (clients, clients_if_present) in [(vec![file.clone()], vec![]), (vec![], vec![file.clone()])] {
        let settings = ListSettings { clients, clients_if_present, ..settings(Builtin::WithoutFiles) };
        let lists = load(&settings, &[]).expect("a good file").lists;
        assert!(lists.clients.has_name(b"example.org") && !lists.clients.has_name(b"mail.google.com"));
        assert!(lists.recipients.has(b"abuse@example.org"));
    }
    let absent =
        ListSettings { clients_if_present: vec![dir.0.path().join("absent")], ..settings(Builtin::WithoutFiles) };
    assert!(load(&absent, &[]).expect("nothing to read").lists.clients.has_name(b"mail.google.com"));
}

#[test]
fn never_means_never() {
    let loaded = load(&settings(Builtin::Never), &[]).expect("nothing to read");
    assert!(!loaded.lists.clients.has_name(b"mail.google.com") && !loaded.lists.recipients.has(b"abuse@example.org"));
    assert_eq!(loaded.sources, []);
}

#[test]
fn a_bad_line_names_file_line_and_right_form() {
    let dir = Dir::new();
    let file = dir.file("recipients", "# ours\n\nuser@example.org\n@example.org\n");
    let settings = ListSettings { recipients: vec![file.clone()], ..settings(Builtin::Always) };
    let error = load(&settings, &[]).expect_err("a bad line").to_string();
    let expected = format!(
        "recipient whitelist {}, line 4: `@example.org`: write `example.org`, which lists that domain and all below it",
        file.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn an_unreadable_file_is_named() {
    let dir = Dir::new();
    let missing = dir.0.path().join("missing");
    let named = ListSettings { clients: vec![missing.clone()], ..settings(Builtin::Always) };
    let error = load(&named, &[]).expect_err("no such file").to_string();
    assert!(error.starts_with(&format!("client whitelist {}: No such file", missing.display())), "{error}");

    // A loop of links can be read by nobody, root included, and is not absent.
    let looped = dir.0.path().join("loop");
    std::os::unix::fs::symlink(&looped, &looped).expect("a link");
    let found = ListSettings { clients_if_present: vec![looped], ..settings(Builtin::Always) };
    assert!(matches!(load(&found, &[]), Err(ListError::Unreadable { .. })));
}

#[test]
fn a_file_that_was_read_and_is_gone_is_named() {
    let dir = Dir::new();
    let file = dir.0.path().join("clients");
    fs::write(&file, "example.org\n").expect("a file");
    let found = ListSettings { clients_if_present: vec![file.clone()], ..settings(Builtin::Always) };
    let before = load(&found, &[]).expect("a good file").sources;
    assert_eq!(load(&found, &before).expect("unchanged").sources, before);
    fs::remove_file(&file).expect("a file");
    let error = load(&found, &before).expect_err("gone").to_string();
    assert!(error.starts_with(&format!("client whitelist {} is gone", file.display())), "{error}");
    load(&found, &[]).expect("it never had to be there");
}

#[test]
fn a_file_that_is_not_named_any_more_is_not_missed() {
    let dir = Dir::new();
    let (kept, dropped) = (dir.file("kept", "example.org\n"), dir.file("dropped", "example.net\n"));
    let both = ListSettings { clients: vec![kept.clone(), dropped], ..settings(Builtin::Always) };
    let before = load(&both, &[]).expect("good files").sources;
    let one = ListSettings { clients: vec![kept], ..settings(Builtin::Always) };
    let lists = load(&one, &before).expect("one list less").lists;
    assert!(lists.clients.has_name(b"example.org") && !lists.clients.has_name(b"example.net"));
    load(&settings(Builtin::Always), &before).expect("none is named");
}

#[test]
fn only_files_and_devices_are_read() {
    let dir = Dir::new();
    let pipe = dir.0.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    for path in [dir.0.path().to_owned(), pipe] {
        let named = ListSettings { clients: vec![path.clone()], ..settings(Builtin::Always) };
        assert!(
            matches!(load(&named, &[]), Err(ListError::Unreadable { error: ReadError::NotAFile { .. }, .. })),
            "{}",
            path.display()
        );
    }
    let null = ListSettings { clients: vec!["/dev/null".into()], ..settings(Builtin::WithoutFiles) };
    assert_eq!(load(&null, &[]).expect("an empty list").sources[0].entries, 0);
    let endless = ListSettings { clients: vec!["/dev/zero".into()], ..settings(Builtin::Always) };
    assert!(matches!(load(&endless, &[]), Err(ListError::Unreadable { error: ReadError::TooLarge { .. }, .. })));
}

#[test]
fn debians_own_files_load() {
    let clients = PathBuf::from("/etc/postgrey/whitelist_clients");
    let recipients = PathBuf::from("/etc/postgrey/whitelist_recipients");
    if !clients.exists() || !recipients.exists() {
        eprintln!("skipped: Debian's package postgrey is not installed");
        return;
    }
    let debian = ListSettings { clients: vec![clients], recipients: vec![recipients], ..settings(Builtin::Never) };
    let loaded = load(&debian, &[]).expect("files that postgrey reads");
    assert!(loaded.sources.iter().all(|source| source.entries > 1), "{:?}", loaded.sources);
    assert!(loaded.lists.recipients.has(b"postmaster@example.org"));
}
