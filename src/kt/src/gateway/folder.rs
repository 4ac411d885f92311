//! A private folder for generated files.

use std::{
    env, fs,
    hash::{BuildHasher as _, RandomState},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::Failure;

/// A folder that nobody else may enter, under a name that nobody can guess, removed at the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder. One that was left behind by a killed process is in nobody's way.
    pub(super) fn create() -> Result<Self, Failure> {
        // A name that exists is somebody else's, also when it is a link; the next one is free.
        let mut tries = (0..8).map(|_| create_one());
        let made = tries
            .find(|made| !matches!(made, Err((_, error)) if error.kind() == io::ErrorKind::AlreadyExists))
            .unwrap_or_else(create_one);
        made.map(Self).map_err(|(path, error)| {
            Failure::usage(format!("error: cannot make {}: {error}", path.display()))
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

fn create_one() -> Result<PathBuf, (PathBuf, io::Error)> {
    // The standard library's seed comes from the system's source of randomness.
    let [first, second] = [0, 1].map(|place| RandomState::new().hash_one(place));
    let path = env::temp_dir().join(format!("keeptrusts-{first:016x}{second:016x}"));
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err((path, error)),
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_private_and_new_each_time() {
        let folders = [0; 4].map(|_| Folder::create().unwrap_or_else(|_| unreachable!()));
        let mut paths: Vec<PathBuf> = folders.iter().map(|folder| folder.0.clone()).collect();
        for path in &paths {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 4);
        drop(folders);
        assert!(paths.iter().all(|path| !path.exists()));
    }
}
