//! `cargo run --bin package`: the function app as `target/package/app.zip`, ready to be published.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use local::causes::with_causes;
use local::package::{Package, package};

/// Builds the handler for Linux on x86-64 with glibc 2.28 or newer, checks what it links, and packs it with host.json
/// and the functions. The same commit gives the same zip.
#[derive(Parser)]
struct Arguments {
    /// Where app.zip goes, and the linker, which is installed from pip.
    #[arg(long, default_value_os_t = folder())]
    into: PathBuf,
}

/// `target/package` of this repository.
fn folder() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).join("target/package")
}

fn main() -> ExitCode {
    match package(&Arguments::parse().into) {
        Ok(package) => {
            show(&package);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("error: {}", with_causes(&reason));
            ExitCode::FAILURE
        }
    }
}

fn show(package: &Package) {
    println!("{}", package.zip.display());
    for entry in &package.entries {
        println!("  {:04o} {:>9}  {}", entry.mode, entry.size, entry.name);
    }
    println!("size    {} bytes", package.size);
    println!("SHA-256 {}", package.sha256);
    let libraries: Vec<&str> = package.linkage.libraries.iter().map(String::as_str).collect();
    if let Some(glibc) = package.linkage.glibc {
        println!("handler uses symbols up to {glibc} of {}", libraries.join(", "));
    }
}
