// SPDX-License-Identifier: GPL-2.0-or-later
//! Typed indices. A bare integer never names a register, a constant or a map.

macro_rules! define_ids {
    ($($(#[$doc:meta])* $name:ident($int:ty) $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(pub $int);

        impl $name {
            /// The index as the position in its table.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    )*};
}

define_ids! {
    /// A long register of the running frame. The frame's file has 256 slots, so
    /// any value is in bounds; the verifier keeps it below the declared count.
    Reg(u8) "r";
    /// A string register of the running frame.
    StrReg(u8) "s";
    /// An instruction's position in the image's code section.
    Pc(u32) "@";
    /// A 64-bit constant.
    LongId(u32) "k";
    /// A string constant.
    StrId(u32) "str";
    /// A global of type long.
    ScalarId(u16) "g";
    /// A map: an array, or with no key a string global or a scalar aggregate.
    MapId(u16) "m";
    /// A function or handler.
    FunctionId(u32) "f";
    /// A probe: a handler with the kind of its probe point.
    ProbeId(u32) "p";
    /// A printf format.
    FormatId(u32) "fmt";
    /// A regular expression.
    RegexId(u32) "re";
    /// A relocation: a slot that the loader fills in for the kernel it runs on.
    RelocationId(u32) "rel";
}
