//! The zip: which files, in which order, with which modes. Nothing in it depends on when and where it was made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// One file in the zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path from the zip's root, with forward slashes.
    pub name: String,
    /// Permissions, e.g. 0o755.
    pub mode: u32,
    /// Bytes, unpacked.
    pub size: u64,
}

/// Writes the script root's executable, `host.json` and functions into a zip: sorted by name, all dated 1980-01-01, the
/// executable 0755, the others 0644. What else lies in the script root, such as `local.settings.json`, stays out.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(script_root: &Path, zip: &Path) -> io::Result<()> {
    let mut writer = ZipWriter::new(BufWriter::new(File::create(zip)?));
    for (name, mode) in files(script_root)? {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default())
            .unix_permissions(mode);
        let bytes = std::fs::read(script_root.join(&name))?;
        writer.start_file(name, options)?;
        writer.write_all(&bytes)?;
    }
    writer.finish()?.flush()
}

/// Names and modes of what the Functions host needs.
fn files(script_root: &Path) -> io::Result<BTreeMap<String, u32>> {
    let mut files = BTreeMap::from([("handler".to_owned(), 0o755), ("host.json".to_owned(), 0o644)]);
    for folder in std::fs::read_dir(script_root)? {
        let folder = folder?;
        if folder.path().join("function.json").is_file() {
            files.insert(format!("{}/function.json", folder.file_name().to_string_lossy()), 0o644);
        }
    }
    Ok(files)
}

/// What is in a zip, in its order.
///
/// # Errors
/// When it cannot be read.
pub fn entries(zip: &Path) -> io::Result<Vec<Entry>> {
    let mut archive = ZipArchive::new(File::open(zip)?)?;
    let count = archive.len();
    let entry = |index| {
        let file = archive.by_index(index)?;
        let mode = file.unix_mode().unwrap_or_default() & 0o7777;
        Ok(Entry { name: file.name()?.into_owned(), mode, size: file.size() })
    };
    (0..count).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use tempfile::TempDir;

    use super::*;

    const FILES: [&str; 6] =
        ["host.json", "uplink/function.json", "handler", "local.settings.json", "uplink/notes.txt", "a/function.json"];

    /// A script root whose files were written in this order, last changed so many days after the epoch.
    fn script_root(files: &[&str], days: u64) -> TempDir {
        let folder = TempDir::new().unwrap();
        for name in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("{{\"{name}\":\"NNSXS\"}}")).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400)).unwrap();
            file.set_permissions(Permissions::from_mode(if days > 9 { 0o600 } else { 0o777 })).unwrap();
        }
        folder
    }

    fn zipped(root: &TempDir) -> Vec<u8> {
        let zip = root.path().join("app.zip");
        write(root.path(), &zip).unwrap();
        std::fs::read(zip).unwrap()
    }

    #[test]
    fn the_same_files_give_the_same_bytes_whenever_and_in_whatever_order_they_were_written() {
        let mut reversed = FILES;
        reversed.reverse();
        let first = zipped(&script_root(&FILES, 4000));
        assert_eq!(first, zipped(&script_root(&reversed, 5)));
        let other = script_root(&FILES, 4000);
        std::fs::write(other.path().join("host.json"), "{}").unwrap();
        assert_ne!(first, zipped(&other));
    }

    #[test]
    fn handler_and_functions_lie_side_by_side_and_only_the_handler_may_be_executed() {
        let root = script_root(&FILES, 4000);
        zipped(&root);
        let entries = entries(&root.path().join("app.zip")).unwrap();
        let listing: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.mode)).collect();
        let expected =
            [("a/function.json", 0o644), ("handler", 0o755), ("host.json", 0o644), ("uplink/function.json", 0o644)];
        assert_eq!(listing, expected, "no local settings, no notes");
    }

    #[test]
    fn a_script_root_without_its_handler_is_an_error() {
        let root = script_root(&["host.json"], 1);
        assert_eq!(write(root.path(), &root.path().join("app.zip")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
