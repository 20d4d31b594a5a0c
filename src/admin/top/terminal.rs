//! The terminal of `irongrey top`. However it ends, by a key, a signal, an error or a panic, the terminal is left as it was
//! found.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::screen::draw;
use super::watch::{Watch, look_each};

/// How long a signal or a new look may have to wait.
const PATIENCE: Duration = Duration::from_millis(100);

/// Watches until a key or a signal ends it.
pub(super) fn run(path: PathBuf, interval: Duration) -> io::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&ended))?;
    }
    // From here on a panic restores the terminal, too.
    let mut terminal = ratatui::try_init()?;
    let result = watch(&mut terminal, path, interval, &ended);
    let restored = ratatui::try_restore();
    result.and(restored)
}

fn watch(terminal: &mut DefaultTerminal, path: PathBuf, interval: Duration, ended: &AtomicBool) -> io::Result<()> {
    let (mut watch, looks) = (Watch::default(), look_each(path, interval));
    let mut is_old = true;
    while !ended.load(Ordering::Relaxed) {
        match looks.try_recv() {
            Ok(look) => {
                watch.take(look);
                is_old = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Err(io::Error::other("the thread that asks has ended")),
        }
        if is_old {
            terminal.draw(|frame| draw(frame, &watch))?;
            is_old = false;
        }
        if event::poll(PATIENCE)? {
            match event::read()? {
                Event::Key(key) if ends(key) => return Ok(()),
                Event::Resize(..) => is_old = true,
                _ => {}
            }
        }
    }
    Ok(())
}

fn ends(KeyEvent { code, modifiers, kind, .. }: KeyEvent) -> bool {
    let control_c = code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
    kind == KeyEventKind::Press && (matches!(code, KeyCode::Char('q' | 'Q') | KeyCode::Esc) || control_c)
}
