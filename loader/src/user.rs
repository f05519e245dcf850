// SPDX-License-Identifier: GPL-2.0-or-later
//! `stap --runtime=user`: a run inside this process, with no device and no kernel
//! module. Handlers run in the very interpreter that the module runs, one at a time,
//! so nothing is ever skipped or lost.
//!
//! It has the probes that need no kernel: begin, end, error, never, oneshot and timers.
//! States, order and counts are those of the module (`vm-kmod/glue/session.c`).

use crate::accounting::Accounts;
use crate::attach::plan;
use crate::output::Printer;
use crate::relocate::relocate;
use crate::session::{
    Ended, Out, RunError, RunOptions, StoppedChild, catch_signals, closing_words, interrupted,
    open_output, with_child,
};
use crate::types::Kernel;
use nix::poll::{PollTimeout, poll};
use std::io;
use std::time::{Duration, Instant};
use vm_core::Outcome;
use vm_host::{Session, World};
use vm_spec::blob::{AttachSpec, Blob};
use vm_spec::device::AttachRecord;
use vm_spec::ids::ProbeId;
use vm_spec::image::Image;
use vm_spec::probe::ProbeKind;
use vm_spec::verify::verify;

/// How often the command of `-c` is looked at.
const CHILD_INTERVAL: Duration = Duration::from_millis(10);
/// How long to wait when there is nothing to wait for but a signal.
const INTERVAL: Duration = Duration::from_millis(100);
/// A timer's handler gets at most one part in this many of the time, as in the module.
const OTHERS_SHARE: u32 = 2;

/// The probe point that has no place here, if there is one.
pub fn unsupported(blob: &Blob) -> Option<String> {
    let point = blob.points.iter().find(|point| !is_here(&point.attach) && !point.optional)?;
    Some(format!(
        "semantic error: while resolving probe point: {} needs a kernel; \
         --runtime=user has begin, end, error, never, oneshot and timer probes",
        point.text
    ))
}

/// Runs a program to its end.
///
/// # Errors
/// [`RunError`] if it never came to run; a failed run is [`Ended::Failed`].
pub fn run(blob: &Blob, options: &RunOptions) -> Result<Ended, RunError> {
    let verified = verify(&blob.image)?;
    let image = *verified.image();
    catch_signals()?;
    let mut child = options.command.as_deref().map(StoppedChild::spawn).transpose()?;
    let target = child.as_ref().map_or(options.target, |child| Some(child.pid()));
    let world = World { target: target.unwrap_or(0).into(), ..World::real() };
    let here = Blob {
        points: blob.points.iter().filter(|p| is_here(&p.attach)).cloned().collect(),
        ..blob.clone()
    };
    let relocated = relocate(&here, &Kernel::Running.types())?;
    let records = plan(&here, &image, &relocated)?.records;
    let out = open_output(blob, options)?;
    let mut run = UserRun {
        session: Session::new(verified, world)?,
        printer: Printer::new(&image, &blob.source, out, io::stderr())
            .with_histograms(blob.meta.histograms),
        blob,
        image: &image,
        state: State::Starting,
        errors: 0,
        overload: 0,
    };
    run.session.set_relocations(relocated.slots);
    run.overrides(&options.overrides)?;
    options.tell_armed();
    match run.all(&records, child.as_mut(), options.timeout) {
        // Nobody reads any more: what has been said must do.
        Err(RunError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ended::Well),
        ended => Ok(with_child(ended?, child.as_ref())),
    }
}

fn is_here(attach: &AttachSpec) -> bool {
    matches!(
        attach,
        AttachSpec::Begin { .. }
            | AttachSpec::End { .. }
            | AttachSpec::Error { .. }
            | AttachSpec::Never
            | AttachSpec::Timer { .. }
    )
}

/// States of a session, as in the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Starting,
    Running,
    Exiting,
    Failed,
}

/// A timer with the time of its next hit.
struct Timer {
    record: AttachRecord,
    due: Instant,
}

struct UserRun<'r> {
    session: Session<'r>,
    printer: Out<'r>,
    blob: &'r Blob,
    image: &'r Image<'r>,
    state: State,
    errors: u64,
    overload: u64,
}

impl UserRun<'_> {
    fn overrides(&mut self, pairs: &[(String, String)]) -> Result<(), RunError> {
        for (name, value) in pairs {
            let is = |id: u32| self.image.string(vm_spec::ids::StrId(id)) == name.as_bytes();
            let scalar = self.image.scalars.iter().position(|scalar| is(scalar.name));
            let map = self.image.maps.iter().position(|map| is(map.name) && map.key_count == 0);
            let done = match (scalar, map) {
                (Some(n), _) => value.parse().is_ok_and(|value| {
                    self.session.set_scalar(vm_spec::ids::ScalarId(n as u16), value)
                }),
                (None, Some(n)) => {
                    self.session.set_string(vm_spec::ids::MapId(n as u16), value.as_bytes())
                }
                (None, None) => false,
            };
            if !done {
                return Err(RunError::Override(format!("{name}={value}")));
            }
        }
        Ok(())
    }

    fn kind(&self, record: &AttachRecord) -> Option<ProbeKind> {
        let probe = self.image.probes.get(record.probe as usize)?;
        ProbeKind::from_number(probe.kind)
    }

    fn all(
        &mut self,
        records: &[AttachRecord],
        mut child: Option<&mut StoppedChild>,
        timeout: Option<Duration>,
    ) -> Result<Ended, RunError> {
        self.synchronous(records, ProbeKind::Begin, State::Starting)?;
        if self.state == State::Starting {
            self.state = State::Running;
        }
        if let Some(child) = child.as_deref_mut() {
            child.go();
        }
        self.until_end(records, child, timeout)?;
        if self.state == State::Running {
            self.state = State::Exiting;
        }
        match self.state {
            State::Failed => self.synchronous(records, ProbeKind::Error, State::Failed)?,
            _ => self.synchronous(records, ProbeKind::End, State::Exiting)?,
        }
        self.printer.flush()?;
        let accounts = Accounts::of_user(self.errors, self.overload);
        Ok(closing_words(&mut self.printer, self.image, &accounts, 0)?)
    }

    /// The begin, end or error probes, as long as the state stays.
    fn synchronous(
        &mut self,
        records: &[AttachRecord],
        kind: ProbeKind,
        state: State,
    ) -> io::Result<()> {
        for record in records {
            if self.state == state && self.kind(record) == Some(kind) {
                self.hit(record)?;
            }
        }
        Ok(())
    }

    fn hit(&mut self, record: &AttachRecord) -> io::Result<()> {
        let probe = ProbeId(record.probe);
        let point = self.blob.points.iter().find(|point| point.probe == probe);
        let text = point.map_or(&[][..], |point| point.text.as_bytes());
        text.clone_into(&mut self.session.world.probe_point);
        let run = self.session.run(probe);
        debug_assert_eq!(run.violations, Vec::<String>::new());
        if run.exit_requested && matches!(self.state, State::Starting | State::Running) {
            self.state = State::Exiting;
        }
        if run.outcome == Outcome::Fault {
            self.errors += 1;
            if self.errors > u64::from(self.image.header.max_errors) {
                self.state = State::Failed;
            }
        }
        run.records.iter().try_for_each(|record| self.printer.record(0, record))
    }

    /// Lets timers fire until the script, the user or the command ends the session.
    fn until_end(
        &mut self,
        records: &[AttachRecord],
        mut child: Option<&mut StoppedChild>,
        timeout: Option<Duration>,
    ) -> Result<(), RunError> {
        let begun = Instant::now();
        let end = timeout.map(|timeout| begun + timeout);
        let mut timers: Vec<Timer> = Vec::new();
        for &record in records {
            if self.kind(&record) == Some(ProbeKind::Timer) {
                timers.push(Timer { record, due: begun + self.period(&record) });
            }
        }
        while self.state == State::Running && !interrupted() {
            self.printer.flush()?;
            if let Some(child) = child.as_deref_mut()
                && child.ended(&mut self.printer)?
            {
                return Ok(());
            }
            let now = Instant::now();
            if end.is_some_and(|end| end <= now) {
                return Ok(());
            }
            let next = timers.iter_mut().min_by_key(|timer| timer.due);
            match next {
                Some(timer) if timer.due <= now => self.fire(timer)?,
                next => {
                    let most = if child.is_some() { CHILD_INTERVAL } else { INTERVAL };
                    let due = next.map_or(most, |timer| timer.due - now);
                    let left = end.map_or(most, |end| end - now);
                    wait(due.min(left).min(most));
                }
            }
        }
        Ok(())
    }

    fn period(&mut self, record: &AttachRecord) -> Duration {
        let random = match record.extra {
            0 => 0,
            extra => self.session.world.random_below(extra.saturating_add(1)),
        };
        Duration::from_nanos(record.value.saturating_add(random).max(1))
    }

    fn fire(&mut self, timer: &mut Timer) -> io::Result<()> {
        let begun = Instant::now();
        self.hit(&timer.record)?;
        let now = Instant::now();
        // From the expiry on, not from now: periods do not drift.
        let period = self.period(&timer.record);
        let late = now.saturating_duration_since(timer.due).as_nanos();
        let periods = late / period.as_nanos() + 1;
        timer.due += period.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX));
        let earliest = now + (now - begun) * OTHERS_SHARE;
        if timer.due < earliest && self.state == State::Running {
            timer.due = earliest;
            self.overload += 1;
        }
        Ok(())
    }
}

/// Waits; a signal ends it early.
fn wait(time: Duration) {
    // Up to the next millisecond: too early would be to wait again, and again.
    let milliseconds = time.as_nanos().div_ceil(1_000_000).min(1000) as u16;
    // Whatever it says, the caller looks at the clock.
    let _ = poll(&mut [], PollTimeout::from(milliseconds));
}
