//! Sets `--cfg loom` for this crate alone, and the `--cfg weak_NAME` that the variable `WEAK` names.

fn main() {
    println!("cargo::rerun-if-env-changed=WEAK");
    println!(
        "cargo::rustc-check-cfg=cfg(loom, weak_insert, weak_lookup, weak_seal, weak_drop, weak_commit, weak_ticket)"
    );
    println!("cargo::rustc-cfg=loom");
    if let Ok(name) = std::env::var("WEAK") {
        println!("cargo::rustc-cfg={name}");
    }
}
