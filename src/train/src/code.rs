//! Source code, markup and interface strings of packages: what long harmless texts are made of.
//!
//! `make train` has the pinned, permissively licensed packages of `requirements/sources.txt` unpacked; `NOTICE` names them.

use std::{fs, io, path::Path};

use crate::fit::Random;

/// Kinds of files, and how many windows of each are taken.
const KINDS: [(&[&str], usize); 6] = [
    (&["py"], 2200),
    (&["ts", "tsx", "js"], 1800),
    (&["json", "po", "yaml"], 1800),
    (&["html", "css", "xml", "svg"], 700),
    (&["txt", "md", "rst"], 600),
    (&["rs", "go", "c", "java"], 900),
];
/// Larger files are data, or were written by programs.
const LARGEST: u64 = 200_000;
/// Bytes of a window, as in [`crate::corpus`].
const WINDOW: usize = 400;

/// Windows of the files below `folder`.
pub(crate) fn windows(folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    let mut random = Random(41);
    let mut windows = Vec::new();
    for (endings, count) in KINDS {
        let own: Vec<&String> = files
            .iter()
            .filter(|file| endings.iter().any(|ending| has_ending(file, ending)))
            .collect();
        for _ in 0..count.min(own.len() * 4) {
            let Some(file) = own.get(random.below(own.len())) else {
                break;
            };
            let Ok(text) = fs::read_to_string(file) else {
                continue;
            };
            let start =
                text.floor_char_boundary(random.below(text.len().saturating_sub(WINDOW) + 1));
            let end = text.floor_char_boundary(start + WINDOW);
            windows.push(text.get(start..end).unwrap_or_default().to_owned());
        }
    }
    Ok(windows)
}

fn has_ending(file: &str, ending: &str) -> bool {
    Path::new(file).extension().is_some_and(|own| own == ending)
}

/// All files that may be read, whatever stands between.
fn list(folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= LARGEST {
            files.extend(entry.path().to_str().map(str::to_owned));
        }
    }
    Ok(())
}
