// SPDX-License-Identifier: GPL-2.0-or-later
//! The helper table: functions that a program asks for by number.
//!
//! Some are pure (string work) and live in the interpreter; some ask the world and
//! go through the interpreter's host. A program cannot tell. Numbers are part of
//! the image's format: they are never used again for anything else.

use crate::image::{ReturnKind, ValueKind};
use crate::probe::Needs;

/// Calls `$consume!` with the whole table.
///
/// A row: `number Name name(argument kinds) -> result, needs [needs];`
#[macro_export]
macro_rules! for_each_helper {
    ($consume:ident) => {
        $consume! {
            // ---- the current task ----------------------------------------------------
            /// Process id (thread group id) of the current task, as its user sees it.
            1 Pid pid() -> Long, needs [];
            /// Thread id of the current task.
            2 Tid tid() -> Long, needs [];
            /// Process id of the parent of the current task.
            3 Ppid ppid() -> Long, needs [];
            /// Real user id of the current task.
            4 Uid uid() -> Long, needs [];
            /// Effective user id of the current task.
            5 Euid euid() -> Long, needs [];
            /// Real group id of the current task.
            6 Gid gid() -> Long, needs [];
            /// Effective group id of the current task.
            7 Egid egid() -> Long, needs [];
            /// Name (comm) of the current task.
            8 Execname execname() -> Str, needs [];
            /// Name (comm) of the parent of the current task.
            9 ParentExecname pexecname() -> Str, needs [];
            /// Process group of the current task.
            10 Pgrp pgrp() -> Long, needs [];
            /// Session id of the current task.
            11 SessionId sid() -> Long, needs [];
            /// Address of the current `struct task_struct`.
            12 TaskCurrent task_current() -> Long, needs [];
            /// The process that the session is about (`-c`, `-x`), 0 if none.
            13 Target target() -> Long, needs [];

            // ---- time and CPU --------------------------------------------------------
            /// Nanoseconds since 1970-01-01 UTC.
            16 RealtimeNs gettimeofday_ns() -> Long, needs [];
            /// Microseconds since 1970-01-01 UTC.
            17 RealtimeUs gettimeofday_us() -> Long, needs [];
            /// Milliseconds since 1970-01-01 UTC.
            18 RealtimeMs gettimeofday_ms() -> Long, needs [];
            /// Seconds since 1970-01-01 UTC.
            19 RealtimeS gettimeofday_s() -> Long, needs [];
            /// Monotonic nanoseconds since boot.
            20 MonotonicNs ktime_get_ns() -> Long, needs [];
            /// The CPU's time stamp counter.
            21 Cycles get_cycles() -> Long, needs [];
            /// The kernel's tick counter.
            22 Jiffies jiffies() -> Long, needs [];
            /// Number of the CPU that the handler runs on.
            23 Cpu cpu() -> Long, needs [];
            /// CPUs that are online.
            24 OnlineCpus num_online_cpus() -> Long, needs [];
            /// A pseudo-random number from 0 to the argument less 1.
            25 Randint randint(Long) -> Long, needs [];

            // ---- the session ---------------------------------------------------------
            /// Ends the session when the handler is done.
            32 Exit exit() -> Nothing, needs [];
            /// A line on the error stream of the loader, with `WARNING: ` before it.
            33 Warn warn(Str) -> Nothing, needs [];
            /// A line on the output.
            34 Log log(Str) -> Nothing, needs [];
            /// Has a shell of the loader run a command.
            35 System system(Str) -> Nothing, needs [];

            // ---- the probe -----------------------------------------------------------
            /// The probe point that fired, wildcards and aliases resolved.
            40 ProbePoint pp() -> Str, needs [];
            /// The function that was probed.
            41 ProbeFunction ppfunc() -> Str, needs [];
            /// Did the hit interrupt user mode?
            42 UserMode user_mode() -> Long, needs [];
            /// Address of the instruction that was probed.
            43 ProbeAddress addr() -> Long, needs [];

            // ---- memory: a fault fails -----------------------------------------------
            /// The kernel string at an address.
            48 KernelString kernel_string(Long) -> Str, needs [];
            /// The kernel string at an address, at most n bytes.
            49 KernelStringN kernel_string_n(Long Long) -> Str, needs [];
            /// The user string at an address.
            50 UserString user_string(Long) -> Str, needs [PROCESS];
            /// The user string at an address, at most n bytes.
            51 UserStringN user_string_n(Long Long) -> Str, needs [PROCESS];

            // ---- strings: pure -------------------------------------------------------
            /// Length in bytes.
            64 Strlen strlen(Str) -> Long, needs [];
            /// The part from a position (from 0), of a length.
            65 Substr substr(Str Long Long) -> Str, needs [];
            /// Does the first string contain the second?
            66 IsInStr isinstr(Str Str) -> Long, needs [];
            /// The byte at a position, 0 past the end.
            67 StringAt stringat(Str Long) -> Long, needs [];
            /// The number that a string begins with, in a base (0: by its prefix).
            68 Strtol strtol(Str Long) -> Long, needs [];
            /// The position of the second string in the first, -1 if none.
            69 Strpos strpos(Str Str) -> Long, needs [];
            /// The first with each second replaced by the third.
            70 StrReplace str_replace(Str Str Str) -> Str, needs [];
            /// Upper case of ASCII letters.
            71 ToUpper toupper(Str) -> Str, needs [];
            /// Lower case of ASCII letters.
            72 ToLower tolower(Str) -> Str, needs [];
            /// Printable form: others than printable ASCII as C escapes.
            73 TextStr text_str(Str) -> Str, needs [];
            /// Is every character a digit (and is there one)?
            74 IsDigit isdigit(Str) -> Long, needs [];
            /// The time of day of seconds since 1970, UTC: `Tue Nov 24 02:47:00 2026`.
            75 Ctime ctime(Long) -> Str, needs [];

            // ---- where a hit is ------------------------------------------------------
            /// What is read from or was written to a file of /proc: `$value`.
            120 Value __value() -> Str, needs [VALUE];
            /// Makes a text what a reader of a file of /proc gets: `$value = text`.
            121 SetValue __value_set(Str) -> Nothing, needs [VALUE];
            /// Appends to what a reader of a file of /proc gets: `$value .= text`.
            122 AppendValue __value_append(Str) -> Nothing, needs [VALUE];
            /// Register n of the current process when it entered the kernel, in the order of
            /// `struct pt_regs`; 0 if it is a kernel thread.
            123 UserRegister __user_register(Long) -> Long, needs [PROCESS];
            /// Address of the instruction of the current process, 0 if it has none.
            124 UserAddress uaddr() -> Long, needs [];
            /// Is this a probe of a function's return?
            125 IsReturn is_return() -> Long, needs [];
            /// The addresses of the kernel's stack, in hexadecimal with blanks between.
            126 Backtrace backtrace() -> Str, needs [];
            /// The address at a level of the kernel's stack, 0 past its end.
            127 StackAddress stack(Long) -> Long, needs [];
            /// The name of the kernel's symbol at an address.
            128 SymbolName symname(Long) -> Str, needs [];
            /// The kernel's symbol at an address with offset, size and module.
            129 SymbolData symdata(Long) -> Str, needs [];
            /// Prints the kernel's symbols of addresses, a line each.
            130 PrintSymbols print_syms(Str) -> Nothing, needs [];
            /// The addresses of the current process's stack, by its frame pointers.
            131 UserBacktrace ubacktrace() -> Str, needs [PROCESS];
            /// The address at a level of the current process's stack, 0 past its end.
            132 UserStackAddress ustack(Long) -> Long, needs [PROCESS];
            /// The function that the hit is in.
            133 HitFunction probefunc() -> Str, needs [];
            /// The module that the hit is in, `kernel` if none.
            134 HitModule probemod() -> Str, needs [];
            /// The module that an address is in, `kernel` if none.
            135 ModuleOf modname(Long) -> Str, needs [];
            /// The session's name.
            136 SessionName module_name() -> Str, needs [];
            /// Process id of the loader.
            137 LoaderPid stp_pid() -> Long, needs [];
            /// Does the hit come with saved registers?
            138 RegistersValid registers_valid() -> Long, needs [];
            /// Bytes of a kernel stack.
            139 StackSize stack_size() -> Long, needs [];
            /// Bytes of the kernel stack in use.
            140 StackUsed stack_used() -> Long, needs [];
            /// Bytes of the kernel stack not in use.
            141 StackUnused stack_unused() -> Long, needs [];
            /// Is a process the one that the session is about, or one of its descendants?
            142 TargetSetPid target_set_pid(Long) -> Long, needs [];
            /// The kernel's symbols of addresses, a line each.
            143 SprintSymbols sprint_syms(Str) -> Str, needs [];

            /// What becomes of the packet at a netfilter hook: 0 it is dropped, 1 it goes on.
            144 Verdict __verdict() -> Long, needs [VERDICT];
            /// Decides it: `$verdict = number`. It counts when the handler has come to its end.
            145 SetVerdict __verdict_set(Long) -> Nothing, needs [VERDICT];

            // ---- what the tapset is built on -----------------------------------------
            /// The kernel string at an address in quotes, its address if it cannot be read.
            160 KernelQuoted kernel_string_quoted(Long) -> Str, needs [];
            /// The user string at an address in quotes, its address if it cannot be read.
            161 UserQuoted user_string_quoted(Long) -> Str, needs [PROCESS];
            /// The user string at an address, at most n bytes, in quotes; dots if there is more.
            162 UserQuotedN user_string_n_quoted(Long Long) -> Str, needs [PROCESS];
            /// User memory of a length in quotes, at most the third number of bytes of it.
            163 UserBufferQuoted user_buffer_quoted(Long Long Long) -> Str, needs [PROCESS];
            /// Kernel memory of a length in quotes, at most the third number of bytes of it.
            164 KernelBufferQuoted kernel_buffer_quoted(Long Long Long) -> Str, needs [];
            /// A string in quotes, printable.
            165 StringQuoted string_quoted(Str) -> Str, needs [];
            /// The number in kernel memory of 1, 2, 4 or 8 bytes; a negative size means signed.
            166 ReadKernel __kernel_number(Long Long) -> Long, needs [];
            /// The number in user memory of 1, 2, 4 or 8 bytes; a negative size means signed.
            167 ReadUser __user_number(Long Long) -> Long, needs [PROCESS];
            /// The position of the first character at or behind a position that is one of the
            /// second string's, or the length.
            168 FindAny __find_any(Str Str Long) -> Long, needs [];
            /// The position of the first character at or behind a position that is none of the
            /// second string's, or the length.
            169 FindOther __find_other(Str Str Long) -> Long, needs [];

            // ---- the last match of a regular expression --------------------------------
            /// What group n of the last `=~` matched; 0 is the whole match.
            100 Matched matched(Long) -> Str, needs [];
            /// What the last `=~` matched.
            101 MatchedStr matched_str() -> Str, needs [];
            /// Groups of the last `=~`, the whole match among them.
            102 Groups ngroups() -> Long, needs [];
        }
    };
}

macro_rules! define_helpers {
    ($($(#[doc = $doc:literal])* $number:literal $name:ident $text:ident
        ($($argument:ident)*) -> $result:ident, needs [$($need:ident)*];)*) => {
        /// Every helper, by number.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum HelperId {
            $($(#[doc = $doc])* $name = $number,)*
        }

        impl HelperId {
            /// All helpers in the order of the table.
            pub const ALL: &'static [HelperId] = &[$(HelperId::$name),*];

            /// The helper with this number.
            pub const fn from_number(number: u16) -> Option<HelperId> {
                match number {
                    $($number => Some(HelperId::$name),)*
                    _ => None,
                }
            }

            /// The row of the table.
            pub const fn info(self) -> &'static HelperInfo {
                match self {
                    $(HelperId::$name => {
                        const INFO: HelperInfo = HelperInfo {
                            id: HelperId::$name,
                            name: stringify!($text),
                            arguments: &[$(ValueKind::$argument),*],
                            result: ReturnKind::$result,
                            needs: Needs::NONE$(.union(Needs::$need))*,
                            summary: concat!($($doc),*),
                        };
                        &INFO
                    })*
                }
            }
        }
    };
}

/// A row of the helper table, as data.
#[derive(Clone, Copy, Debug)]
pub struct HelperInfo {
    /// The helper.
    pub id: HelperId,
    /// Its name in scripts and disassembly.
    pub name: &'static str,
    /// Kinds of its arguments.
    pub arguments: &'static [ValueKind],
    /// Kind of its result.
    pub result: ReturnKind,
    /// What it needs of the probe's context.
    pub needs: Needs,
    /// What it gives, in the words of the table.
    pub summary: &'static str,
}

for_each_helper!(define_helpers);

impl HelperId {
    /// The helper that scripts call by this name.
    pub fn from_name(name: &str) -> Option<HelperId> {
        Self::ALL.iter().copied().find(|id| id.info().name == name)
    }
}
