// SPDX-License-Identifier: GPL-2.0-or-later
//! Why the device cannot be opened, and what to do about it: in one message, for somebody
//! whose machine is sick and who has never heard of this module.

use nix::unistd::geteuid;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;

/// What is known of the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The running kernel's release.
    pub release: String,
    /// Does the kernel have modules at all?
    pub has_modules: bool,
    /// Is this root?
    pub is_root: bool,
    /// Is a module for this kernel installed?
    pub is_installed: bool,
    /// What the kernel's lockdown forbids: `none`, `integrity` or `confidentiality`.
    pub lockdown: String,
    /// What modprobe said, if it was tried and failed.
    pub modprobe: Option<String>,
}

impl Facts {
    /// Looks around.
    pub fn gather(release: &str, modprobe: Option<String>) -> Facts {
        Facts {
            release: release.to_owned(),
            // proc(5): the file is there if the kernel has modules.
            has_modules: Path::new("/proc/modules").exists(),
            is_root: geteuid().is_root(),
            is_installed: is_installed(release),
            lockdown: lockdown(),
            modprobe,
        }
    }
}

/// Is a module of the name in the index that depmod makes?
fn is_installed(release: &str) -> bool {
    let index = std::fs::read_to_string(format!("/lib/modules/{release}/modules.dep"));
    index.is_ok_and(|index| index.lines().any(|line| line.contains("/stapvm.ko")))
}

/// The chosen word of `none [integrity] confidentiality`.
fn lockdown() -> String {
    let text = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    chosen.map_or("none", |(word, _)| word).to_owned()
}

/// Tries to load the module; what modprobe said if that failed.
pub fn modprobe() -> Option<String> {
    match Command::new("modprobe").arg("stapvm").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("modprobe: {error}")),
    }
}

/// The device is not there, or may not be opened.
#[derive(Debug)]
pub struct Unavailable {
    /// The machine.
    pub facts: Facts,
    /// What open(2) said.
    pub error: io::Error,
}

impl std::error::Error for Unavailable {}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { release, has_modules, is_root, is_installed, lockdown, modprobe } = &self.facts;
        if self.error.kind() != io::ErrorKind::NotFound {
            let error = &self.error;
            return if *is_root && lockdown != "none" {
                write!(
                    f,
                    "the kernel's lockdown ({lockdown}) forbids to probe it.\n\
                     Boot without Secure Boot or without 'lockdown=' on the kernel's command line."
                )
            } else if *is_root {
                write!(
                    f,
                    "/dev/stapvm cannot be opened: {error}.\n\
                     Probing the kernel needs CAP_SYS_ADMIN, which a container's root does not have."
                )
            } else {
                write!(f, "/dev/stapvm cannot be opened: {error}.\nProbing the kernel needs root.")
            };
        }
        if !has_modules {
            return write!(
                f,
                "this kernel ({release}) has no loadable modules, and scripts run in the kernel \
                 module stapvm.\n\
                 Boot a kernel with CONFIG_MODULES and CONFIG_KPROBES, or run scripts without \
                 kernel probes with 'stap --runtime=user'."
            );
        }
        if !is_installed {
            return write!(
                f,
                "the kernel module stapvm is not built for this kernel ({release}).\n\
                 Build it with 'make install', which needs the package linux-headers-{release} \
                 here, or copy a stapvm.ko that was built for {release} and 'insmod' it."
            );
        }
        if !is_root {
            return write!(
                f,
                "the kernel module stapvm is not loaded.\n\
                 Run stap as root, which loads it, or 'modprobe stapvm' as root."
            );
        }
        let said = modprobe.as_deref().filter(|text| !text.is_empty()).unwrap_or("no reason given");
        write!(
            f,
            "the kernel module stapvm is installed for this kernel ({release}) but does not load: \
             {said}.\n\
             'dmesg' may tell more. A kernel that wants signed modules needs stapvm.ko signed with a \
             key that it knows."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_says_what_to_do() {
        let usual = Facts {
            release: "6.1.0-1".to_owned(),
            has_modules: true,
            is_root: true,
            is_installed: true,
            lockdown: "none".to_owned(),
            modprobe: None,
        };
        let missing = io::ErrorKind::NotFound;
        let refused = io::ErrorKind::PermissionDenied;
        let refusal = "modprobe: ERROR: could not insert 'stapvm': Key was rejected by service";
        let cases = [
            (missing, Facts { has_modules: false, ..usual.clone() }),
            (missing, Facts { is_installed: false, ..usual.clone() }),
            (missing, Facts { is_root: false, ..usual.clone() }),
            (missing, Facts { modprobe: Some(refusal.to_owned()), ..usual.clone() }),
            (refused, Facts { is_root: false, ..usual.clone() }),
            (refused, Facts { lockdown: "integrity".to_owned(), ..usual.clone() }),
            (refused, usual),
        ];
        let text = cases
            .map(|(kind, facts)| Unavailable { facts, error: io::Error::from(kind) }.to_string());
        insta::assert_snapshot!(text.join("\n\n"));
    }
}
