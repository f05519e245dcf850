// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels that guests boot, as `tests/setup/install.sh` laid them out:
//! `target/guest/<series>/{vmlinuz,release,stapvm.ko}`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A kernel series that the module is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Series {
    /// Debian 12's own.
    V6_1,
    /// Debian 12's from backports of the security archive.
    V6_12,
}

impl Series {
    /// All of them.
    pub const ALL: [Series; 2] = [Series::V6_1, Series::V6_12];

    /// Its folder below the clone's root.
    pub fn folder(self, root: &Path) -> PathBuf {
        root.join("target/guest").join(self.to_string())
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Series::V6_1 => "6.1",
            Series::V6_12 => "6.12",
        })
    }
}

/// Not one of [`Series::ALL`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown kernel series '{0}': this project tests 6.1 and 6.12")]
pub struct UnknownSeries(String);

impl FromStr for Series {
    type Err = UnknownSeries;

    fn from_str(text: &str) -> Result<Series, UnknownSeries> {
        let found = Series::ALL.into_iter().find(|series| series.to_string() == text);
        found.ok_or_else(|| UnknownSeries(text.to_owned()))
    }
}

/// The clone's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where the static release binaries are.
pub fn binaries() -> PathBuf {
    root().join("target/x86_64-unknown-linux-gnu/release")
}
