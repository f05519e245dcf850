// SPDX-License-Identifier: GPL-2.0-or-later
//! The world as a handler run sees it. The kernel module implements [`Host`] over
//! the glue's callbacks, user space over a pretended machine; the interpreter
//! cannot tell which one it has.

use vm_spec::helper::HelperId;
use vm_spec::ids::MapId;
use vm_spec::probe::ContextWord;

/// The task that a hit interrupted, as far as nearly every handler asks for it: what
/// [`HelperId::Pid`] and [`HelperId::Tid`] give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Task {
    /// Its process.
    pub pid: i32,
    /// Itself.
    pub tid: i32,
}

/// What the interpreter asks of the place it runs in. One host serves one run at a
/// time, and nothing here may sleep or fail other than by its result.
pub trait Host {
    /// A helper that asks the world and gives a long or nothing (then the result is
    /// ignored): [`HelperId::Pid`] and its like. Arguments that the helper does not
    /// take are 0. Helpers about strings, memory and output never come here.
    fn helper_long(&mut self, id: HelperId, arguments: [i64; 2]) -> i64;

    /// A helper that asks the world and gives a string ([`HelperId::Execname`],
    /// [`HelperId::ProbePoint`] and their like), with its long arguments. Returns the
    /// bytes written to `out`; what does not fit is left off.
    fn helper_string(&mut self, id: HelperId, arguments: [i64; 2], out: &mut [u8]) -> usize;

    /// A helper that gives a string to the world ([`HelperId::SetValue`],
    /// [`HelperId::AppendValue`]). Of no effect unless the host has a use for it.
    fn helper_put(&mut self, _id: HelperId, _text: &[u8]) {}

    /// A word of the probe's context. The verifier has proved that the probe's kind
    /// provides it.
    fn context_word(&mut self, word: ContextWord) -> i64;

    /// Copies kernel memory; `false` if any of it cannot be read.
    fn read_kernel(&mut self, address: u64, out: &mut [u8]) -> bool;

    /// Copies memory of the current process; `false` if any of it cannot be read.
    fn read_user(&mut self, address: u64, out: &mut [u8]) -> bool;

    /// Keeps a long from a function's entry to its return. A number that the probe does
    /// not have is ignored.
    fn save_long(&mut self, number: u8, value: i64);

    /// A kept long; 0 if the probe has none of this number.
    fn saved_long(&mut self, number: u8) -> i64;

    /// Keeps a string, cut off after [`vm_spec::limits::SAVED_STRING_BYTES`].
    fn save_string(&mut self, number: u8, text: &[u8]);

    /// Copies a kept string to `out` and returns its length; 0 if the probe has none of
    /// this number.
    fn saved_string(&mut self, number: u8, out: &mut [u8]) -> usize;

    /// Takes one flush of the run's output items, see [`vm_spec::record`].
    fn emit(&mut self, record: &[u8]);

    /// The script called `exit()`. The run goes on to its end.
    fn request_exit(&mut self);

    /// The storage of a map, whose lock the run holds: the words that
    /// [`crate::map::initialise`] laid out. An empty slice is taken for a map that
    /// holds nothing and takes nothing.
    fn map(&mut self, id: MapId) -> &mut [u64];
}
