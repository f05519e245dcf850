// SPDX-License-Identifier: GPL-2.0-or-later
//! Time, task, memory and probe context as a handler sees them. Everything can be
//! set by a test; [`World::real`] takes time and task from this process.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vm_spec::helper::HelperId;
use vm_spec::probe::ContextWord;

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// This machine's clocks; monotonic time counts from the instant.
    Real(Instant),
    /// Stands still at this time since 1970 (and since boot).
    Fixed(Duration),
}

impl Clock {
    fn realtime(self) -> Duration {
        match self {
            Clock::Real(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Clock::Fixed(time) => time,
        }
    }

    fn monotonic(self) -> Duration {
        match self {
            Clock::Real(start) => start.elapsed(),
            Clock::Fixed(time) => time,
        }
    }
}

/// The current task.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Task {
    /// Process id.
    pub pid: i64,
    /// Thread id.
    pub tid: i64,
    /// The parent's process id.
    pub ppid: i64,
    /// Real and effective user id.
    pub uid: [i64; 2],
    /// Real and effective group id.
    pub gid: [i64; 2],
    /// Process group.
    pub pgrp: i64,
    /// Session.
    pub sid: i64,
    /// Name.
    pub execname: Vec<u8>,
    /// The parent's name.
    pub parent_execname: Vec<u8>,
}

impl Task {
    /// This thread.
    pub fn current() -> Task {
        use nix::unistd;
        let name = |path: &str| std::fs::read(path).unwrap_or_default().trim_ascii().to_vec();
        let ppid = unistd::getppid().as_raw().into();
        Task {
            pid: unistd::getpid().as_raw().into(),
            tid: unistd::gettid().as_raw().into(),
            ppid,
            uid: [unistd::getuid().as_raw().into(), unistd::geteuid().as_raw().into()],
            gid: [unistd::getgid().as_raw().into(), unistd::getegid().as_raw().into()],
            pgrp: unistd::getpgrp().as_raw().into(),
            sid: unistd::getsid(None).map_or(0, |id| id.as_raw().into()),
            execname: name("/proc/thread-self/comm"),
            parent_execname: name(&format!("/proc/{ppid}/comm")),
        }
    }
}

/// What a handler can ask about.
#[derive(Clone, Debug)]
pub struct World {
    /// Time.
    pub clock: Clock,
    /// The current task.
    pub task: Task,
    /// What `target()` gives.
    pub target: i64,
    /// What `cpu()` gives.
    pub cpu: i64,
    /// What `num_online_cpus()` gives.
    pub online_cpus: i64,
    /// What `pp()` gives.
    pub probe_point: Vec<u8>,
    /// What `ppfunc()` gives.
    pub probe_function: Vec<u8>,
    /// What `addr()` gives.
    pub probe_address: i64,
    /// What `user_mode()` gives.
    pub user_mode: bool,
    /// Kernel memory: readable ranges by their first address.
    pub kernel_memory: BTreeMap<u64, Vec<u8>>,
    /// Memory of the current process, likewise.
    pub user_memory: BTreeMap<u64, Vec<u8>>,
    /// Context words by their operand ([`ContextWord::to_raw`]); others are 0.
    pub context: BTreeMap<i32, i64>,
    /// State of `randint()`.
    pub random: u64,
}

impl World {
    /// A world in which nothing moves: time 0, a task of zeros.
    pub fn fixed() -> World {
        World {
            clock: Clock::Fixed(Duration::ZERO),
            task: Task::default(),
            target: 0,
            cpu: 0,
            online_cpus: 1,
            probe_point: Vec::new(),
            probe_function: Vec::new(),
            probe_address: 0,
            user_mode: false,
            kernel_memory: BTreeMap::new(),
            user_memory: BTreeMap::new(),
            context: BTreeMap::new(),
            random: 1,
        }
    }

    /// This process and this machine's clocks; no readable memory.
    pub fn real() -> World {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        World {
            clock: Clock::Real(Instant::now()),
            task: Task::current(),
            online_cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as i64),
            random: seed as u64 | 1,
            ..World::fixed()
        }
    }

    /// Sets a context word.
    pub fn set_context(&mut self, word: ContextWord, value: i64) {
        self.context.insert(word.to_raw(), value);
    }

    pub(crate) fn helper_long(&mut self, id: HelperId, arguments: [i64; 2]) -> i64 {
        let (realtime, monotonic) = (self.clock.realtime(), self.clock.monotonic());
        match id {
            HelperId::Pid => self.task.pid,
            HelperId::Tid => self.task.tid,
            HelperId::Ppid => self.task.ppid,
            HelperId::Uid => self.task.uid[0],
            HelperId::Euid => self.task.uid[1],
            HelperId::Gid => self.task.gid[0],
            HelperId::Egid => self.task.gid[1],
            HelperId::Pgrp => self.task.pgrp,
            HelperId::SessionId => self.task.sid,
            HelperId::Target => self.target,
            HelperId::RealtimeNs => realtime.as_nanos() as i64,
            HelperId::RealtimeUs => realtime.as_micros() as i64,
            HelperId::RealtimeMs => realtime.as_millis() as i64,
            HelperId::RealtimeS => realtime.as_secs() as i64,
            HelperId::MonotonicNs | HelperId::Cycles => monotonic.as_nanos() as i64,
            // 250 ticks a second, as Debian's kernels have.
            HelperId::Jiffies => (monotonic.as_millis() / 4) as i64,
            HelperId::Cpu => self.cpu,
            HelperId::OnlineCpus => self.online_cpus,
            HelperId::Randint => {
                u64::try_from(arguments[0]).map_or(0, |bound| self.random_below(bound) as i64)
            }
            HelperId::UserMode => self.user_mode.into(),
            HelperId::ProbeAddress => self.probe_address,
            // There is no task_struct here, and the other helpers are the interpreter's.
            _ => 0,
        }
    }

    /// A random number below `bound`; 0 if there is none.
    pub fn random_below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.checked_rem(bound).unwrap_or(0)
    }

    pub(crate) fn helper_string(&self, id: HelperId, _: [i64; 2], out: &mut [u8]) -> usize {
        let text: &[u8] = match id {
            HelperId::Execname => &self.task.execname,
            HelperId::ParentExecname => &self.task.parent_execname,
            HelperId::ProbePoint => &self.probe_point,
            HelperId::ProbeFunction => &self.probe_function,
            _ => &[],
        };
        let length = text.len().min(out.len());
        out[..length].copy_from_slice(&text[..length]);
        length
    }
}

/// Copies from the ranges of a memory; false if any byte is in none.
pub(crate) fn read(memory: &BTreeMap<u64, Vec<u8>>, address: u64, out: &mut [u8]) -> bool {
    let mut filled = 0;
    while filled < out.len() {
        let Some(at) = address.checked_add(filled as u64) else { return false };
        let Some((start, bytes)) = memory.range(..=at).next_back() else { return false };
        let Some(rest) = usize::try_from(at - start).ok().and_then(|skip| bytes.get(skip..)) else {
            return false;
        };
        let count = rest.len().min(out.len() - filled);
        if count == 0 {
            return false;
        }
        out[filled..filled + count].copy_from_slice(&rest[..count]);
        filled += count;
    }
    true
}
