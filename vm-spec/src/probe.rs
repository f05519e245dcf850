// SPDX-License-Identifier: GPL-2.0-or-later
//! Kinds of probe, and what a handler may read of its context.
//!
//! A function declares its [`Needs`]: a set of context words and abilities. A probe
//! kind [provides](ProbeKind::provides) a set. The verifier wants every need of a
//! handler, and of all that it calls, among what its probe's kind provides.

/// What a handler needs of the place it runs in. A bit set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Needs(pub u16);

impl Needs {
    /// Nothing.
    pub const NONE: Needs = Needs(0);
    /// The arguments of the probed function, by the calling convention.
    pub const ARGUMENTS: Needs = Needs(1 << 0);
    /// The value that the probed function returned.
    pub const RETURN_VALUE: Needs = Needs(1 << 1);
    /// The saved registers.
    pub const REGISTERS: Needs = Needs(1 << 2);
    /// The arguments that a tracepoint or a netfilter hook passes.
    pub const TRACE_ARGUMENTS: Needs = Needs(1 << 3);
    /// The number and arguments of a system call at its entry.
    pub const SYSCALL_ENTRY: Needs = Needs(1 << 4);
    /// The number and result of a system call at its exit.
    pub const SYSCALL_EXIT: Needs = Needs(1 << 5);
    /// `current` is the process that the hit is about, so its memory can be read.
    pub const PROCESS: Needs = Needs(1 << 6);

    /// The text that goes through a file of /proc: `$value`.
    pub const VALUE: Needs = Needs(1 << 7);
    /// What becomes of a packet: `$verdict`.
    pub const VERDICT: Needs = Needs(1 << 8);

    /// All bits that mean something.
    pub const KNOWN: Needs = Needs((1 << 9) - 1);

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Is every need of this set in `provided`?
    pub const fn within(self, provided: Needs) -> bool {
        self.0 & !provided.0 == 0
    }
}

/// A word of the context: what `ctx` loads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContextWord {
    /// Argument n of the probed function, from 0: rdi, rsi, rdx, rcx, r8, r9.
    Argument(u8),
    /// What the probed function returned: rax.
    ReturnValue,
    /// Saved register n, in the order of `struct pt_regs` of x86-64
    /// (arch/x86/include/uapi/asm/ptrace-abi.h): r15 is 0, ss is 20.
    Register(u8),
    /// Argument n of the tracepoint, from 0, after its private data pointer; of a netfilter
    /// hook: its number, the packet, the devices in and out, the protocol family.
    TraceArgument(u8),
    /// Argument n of the system call, from 0.
    SyscallArgument(u8),
    /// The number of the system call.
    SyscallNumber,
    /// What the system call returned.
    SyscallReturn,
}

impl ContextWord {
    /// The operand that stands for it: kind in the high half, index in the low.
    pub const fn to_raw(self) -> i32 {
        match self {
            ContextWord::Argument(n) => n as i32,
            ContextWord::ReturnValue => 1 << 16,
            ContextWord::Register(n) => 2 << 16 | n as i32,
            ContextWord::TraceArgument(n) => 3 << 16 | n as i32,
            ContextWord::SyscallArgument(n) => 4 << 16 | n as i32,
            ContextWord::SyscallNumber => 5 << 16,
            ContextWord::SyscallReturn => 6 << 16,
        }
    }

    /// The word that the operand stands for, if it is one.
    pub const fn from_raw(raw: i32) -> Option<ContextWord> {
        let index = (raw & 0xffff) as u8;
        let word = match raw >> 16 {
            0 if index < 6 => ContextWord::Argument(index),
            1 => ContextWord::ReturnValue,
            2 if index < 21 => ContextWord::Register(index),
            3 if index < 12 => ContextWord::TraceArgument(index),
            4 if index < 6 => ContextWord::SyscallArgument(index),
            5 => ContextWord::SyscallNumber,
            6 => ContextWord::SyscallReturn,
            _ => return None,
        };
        // Bits that the word does not use must be zero.
        if word.to_raw() == raw { Some(word) } else { None }
    }

    /// What a handler must declare to read it.
    pub const fn needs(self) -> Needs {
        match self {
            ContextWord::Argument(_) => Needs::ARGUMENTS,
            ContextWord::ReturnValue => Needs::RETURN_VALUE,
            ContextWord::Register(_) => Needs::REGISTERS,
            ContextWord::TraceArgument(_) => Needs::TRACE_ARGUMENTS,
            ContextWord::SyscallArgument(_) => Needs::SYSCALL_ENTRY,
            ContextWord::SyscallReturn => Needs::SYSCALL_EXIT,
            // Both entry and exit know the number; the compiler declares the one it has.
            ContextWord::SyscallNumber => Needs::NONE,
        }
    }
}

macro_rules! define_probe_kinds {
    ($($(#[doc = $doc:literal])* $number:literal $name:ident $text:literal provides [$($need:ident)*];)*) => {
        /// What makes a probe fire.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
        #[repr(u16)]
        pub enum ProbeKind {
            $($(#[doc = $doc])* $name = $number,)*
        }

        impl ProbeKind {
            /// All kinds.
            pub const ALL: &'static [ProbeKind] = &[$(ProbeKind::$name),*];

            /// The kind with this number.
            pub const fn from_number(number: u16) -> Option<ProbeKind> {
                match number {
                    $($number => Some(ProbeKind::$name),)*
                    _ => None,
                }
            }

            /// Its name in disassembly.
            pub const fn text(self) -> &'static str {
                match self {
                    $(ProbeKind::$name => $text,)*
                }
            }

            /// What its handlers may read.
            pub const fn provides(self) -> Needs {
                match self {
                    $(ProbeKind::$name => Needs::NONE$(.union(Needs::$need))*,)*
                }
            }
        }
    };
}

define_probe_kinds! {
    /// Once, before anything else is armed.
    1 Begin "begin" provides [PROCESS];
    /// Once, after everything else was detached.
    2 End "end" provides [PROCESS];
    /// Instead of `End`, when a handler failed.
    3 Error "error" provides [PROCESS];
    /// Never: compiled and verified, not attached.
    4 Never "never" provides [];
    /// A timer that fires again and again, in hard interrupt context; the registers are
    /// those of what it interrupted.
    5 Timer "timer" provides [REGISTERS];
    /// Entry of a kernel function.
    6 FunctionEntry "function" provides [ARGUMENTS REGISTERS PROCESS];
    /// Return of a kernel function.
    7 FunctionReturn "function.return" provides [RETURN_VALUE REGISTERS PROCESS];
    /// An address in the kernel's text.
    8 Statement "statement" provides [REGISTERS PROCESS];
    /// A static tracepoint.
    9 Tracepoint "trace" provides [TRACE_ARGUMENTS PROCESS];
    /// Entry of a system call, by number.
    10 SyscallEntry "syscall" provides [SYSCALL_ENTRY REGISTERS PROCESS];
    /// Exit of a system call, by number.
    11 SyscallExit "syscall.return" provides [SYSCALL_ENTRY SYSCALL_EXIT REGISTERS PROCESS];
    /// The profiling interrupt of each CPU.
    12 Profile "profile" provides [REGISTERS PROCESS];
    /// A performance counter that went round.
    13 Perf "perf" provides [REGISTERS PROCESS];
    /// An access to watched memory.
    14 Watchpoint "data" provides [REGISTERS PROCESS];
    /// Somebody reads a file of /proc.
    15 ProcfsRead "procfs.read" provides [VALUE PROCESS];
    /// Somebody writes to a file of /proc.
    16 ProcfsWrite "procfs.write" provides [VALUE PROCESS];
    /// A packet passes a netfilter hook.
    17 Netfilter "netfilter" provides [TRACE_ARGUMENTS VERDICT];
}

impl ProbeKind {
    /// Does the handler run in the task that controls the session, where it may
    /// take as long as it likes (begin, end and error probes)?
    pub const fn is_synchronous(self) -> bool {
        matches!(self, ProbeKind::Begin | ProbeKind::End | ProbeKind::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn context_words_have_one_encoding(raw: i32) {
            if let Some(word) = ContextWord::from_raw(raw) {
                prop_assert_eq!(word.to_raw(), raw);
            }
        }

        #[test]
        fn small_words_round_trip(kind in 0..8i32, index in 0..32i32) {
            if let Some(word) = ContextWord::from_raw(kind << 16 | index) {
                prop_assert_eq!(ContextWord::from_raw(word.to_raw()), Some(word));
            }
        }
    }
}
