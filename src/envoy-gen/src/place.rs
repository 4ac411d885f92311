//! Puts files where a running Envoy reads them: each whole or not at all.

use std::{fs, io, path::Path};

use crate::File;

/// Beginnings of the names that only a generator gives.
const OURS: [&str; 3] = ["sds_", "ecds_", "rds_"];

/// Makes `folder` hold `files`, in their order. One that is the same already is left alone; the others are written
/// beside their place and moved there, which is what Envoy watches for. What an earlier call left and nobody names any
/// more goes at the end.
pub fn place(folder: &Path, files: &[File]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for file in files {
        let path = folder.join(&file.name);
        if fs::read(&path).is_ok_and(|text| text == file.text.as_bytes()) {
            continue;
        }
        let beside = folder.join(format!(".{}.new", file.name));
        fs::write(&beside, &file.text)?;
        fs::rename(&beside, &path)?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = OURS.iter().any(|prefix| name.starts_with(prefix));
        if is_ours && !files.iter().any(|file| *file.name == *name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File {
            name: name.into(),
            text: text.into(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_holds_what_was_placed_last_and_what_is_not_ours() {
        let folder = std::env::temp_dir().join(format!("kt-place-{}", std::process::id()));
        place(&folder, &[file("sds_a.yaml", "a"), file("cds.yaml", "1")]).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        let before = fs::metadata(folder.join("cds.yaml"))
            .unwrap()
            .modified()
            .unwrap();
        place(&folder, &[file("sds_b.yaml", "b"), file("cds.yaml", "1")]).unwrap();
        assert_eq!(names(&folder), ["cds.yaml", "notes.txt", "sds_b.yaml"]);
        let after = fs::metadata(folder.join("cds.yaml"))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(before, after, "the same text is not written again");
        fs::remove_dir_all(&folder).unwrap();
    }
}
