//! cambrian_data_dir

use crate::{atoms, error};
use rustler::{Atom, Binary, NifResult};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files that this VM has locked. The operating system unlocks them when the VM ends for any
/// reason.
static LOCKED: Mutex<Vec<(Identity, File)>> = Mutex::new(Vec::new());

/// The identity of a file, the same under all its names.
#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = PathBuf;

#[cfg(unix)]
fn identity(file: &File, _: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &File, path: &Path) -> io::Result<Identity> {
    path.canonicalize()
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Opens a file for writing, because a network file system requires that for a lock.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path).or_else(|_| File::open(path))
}

/// Locks a file. Returns whether this VM had not locked it before.
fn lock(path: &Path) -> Result<bool, TryLockError> {
    let file = open(path).map_err(TryLockError::Error)?;
    let identity = identity(&file, path).map_err(TryLockError::Error)?;
    let mut locked = LOCKED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = !locked.iter().any(|(known, _)| *known == identity);
    if is_new {
        file.try_lock()?;
        locked.push((identity, file));
    }
    Ok(is_new)
}

/// Locks an existing file for this VM: `{ok, IsNew}`, where `IsNew` is false if this VM already
/// holds the lock; `{error, locked}` if another VM holds it; or `{error, Message}`.
#[rustler::nif(schedule = "DirtyIo")]
fn data_dir_lock(name: Binary) -> NifResult<(Atom, bool)> {
    let path = path(&name).ok_or(rustler::Error::BadArg)?;
    match lock(&path) {
        Ok(is_new) => Ok((atoms::ok(), is_new)),
        Err(TryLockError::WouldBlock) => Err(error::refuse(atoms::locked())),
        Err(TryLockError::Error(reason)) => {
            Err(error::refuse(error::Bytes(reason.to_string().into_bytes())))
        }
    }
}

/// Unlocks all files that this VM has locked.
#[rustler::nif(schedule = "DirtyIo")]
fn data_dir_unlock_all() -> Atom {
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner).clear();
    atoms::ok()
}

/// Unlocks a file, if this VM has locked it.
#[rustler::nif(schedule = "DirtyIo")]
fn data_dir_unlock(name: Binary) -> NifResult<Atom> {
    let path = path(&name).ok_or(rustler::Error::BadArg)?;
    if let Ok(gone) = open(&path).and_then(|file| identity(&file, &path)) {
        LOCKED.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != gone);
    }
    Ok(atoms::ok())
}
