// SPDX-License-Identifier: GPL-2.0-or-later
//! The records of the image's sections and the small enumerations in them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable,
            KnownLayout,
        )]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }
    )*};
}

/// "No such string" in a field that holds a string constant.
pub const NO_STRING: u32 = u32::MAX;

records! {
    /// A string constant.
    StringRecord {
        /// Bytes from the start of the `Bytes` section.
        offset: u32,
        /// Length in bytes, no terminator.
        length: u32,
    }

    /// A regular expression, see [`crate::regex`].
    RegexRecord {
        /// Its text.
        pattern: u32,
        /// Its first word in the `RegexWords` section.
        first_word: u32,
        /// Its number of words.
        word_count: u32,
        /// Classes of bytes that it tells apart.
        class_count: u16,
        /// States of its matcher.
        state_count: u16,
        /// Groups, the whole match among them; 0 if they are not tracked.
        groups: u16,
        /// States of its tracker.
        track_states: u16,
        /// Steps of its tracker.
        step_count: u16,
        /// Most threads of its tracker at a time.
        width: u16,
    }

    /// A function or handler.
    FunctionRecord {
        /// Name, for disassembly and messages.
        name: u32,
        /// Its first instruction.
        first_insn: u32,
        /// Its number of instructions, at least 1.
        insn_count: u32,
        /// Its first lock.
        first_lock: u32,
        /// Its first catch range.
        first_catch: u32,
        /// Number of locks.
        lock_count: u16,
        /// Number of catch ranges.
        catch_count: u16,
        /// Long registers of its frame, up to 256; its long parameters come first.
        long_registers: u16,
        /// String registers of its frame, up to 256; its string parameters come first.
        string_registers: u16,
        /// Long parameters.
        long_parameters: u8,
        /// String parameters.
        string_parameters: u8,
        /// [`ReturnKind`].
        returns: u8,
        /// Zero.
        reserved: u8,
        /// [`crate::probe::Needs`].
        needs: u16,
        /// Zero.
        reserved2: u16,
    }

    /// One member of a lock set. Sets are sorted by `global`, with no global twice,
    /// so that every handler takes its locks in the same order.
    LockRecord {
        /// The scalar's index, or the map's with [`LockRecord::MAP`] set.
        global: u32,
        /// [`LockMode`].
        mode: u32,
    }

    /// A global of type long.
    ScalarRecord {
        /// Value at the start of the session.
        initial: i64,
        /// Name, for disassembly.
        name: u32,
        /// Zero.
        reserved: u32,
    }

    /// A map; with no key, a string global or a scalar aggregate.
    MapRecord {
        /// Lower bound of a linear histogram.
        histogram_low: i64,
        /// Upper bound of a linear histogram.
        histogram_high: i64,
        /// Width of a bucket of a linear histogram.
        histogram_step: i64,
        /// Name, for disassembly and messages.
        name: u32,
        /// Most entries; 1 for a map with no key.
        capacity: u32,
        /// Initial value of a string global, or [`NO_STRING`].
        initial: u32,
        /// Bit n is set if key n is a string.
        string_keys: u16,
        /// Members of the key tuple.
        key_count: u8,
        /// [`ValueKind`].
        value: u8,
        /// [`HistogramKind`].
        histogram: u8,
        /// [`Overflow`].
        overflow: u8,
        /// 0 if nobody asks for the variance of its aggregates, otherwise 1 more than the
        /// bit shift that it is computed with.
        variance: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u32,
    }

    /// A probe: a handler and what makes it run.
    ProbeRecord {
        /// The probe point, for messages and `pp()`.
        name: u32,
        /// Its handler: a function with no parameters that returns nothing.
        handler: u32,
        /// [`crate::probe::ProbeKind`].
        kind: u16,
        /// Longs that a return probe finds kept from the function's entry.
        saved_longs: u8,
        /// Strings likewise.
        saved_strings: u8,
        /// Steps that one run may take.
        steps: u32,
    }

    /// A format.
    FormatRecord {
        /// Its first piece.
        first_piece: u32,
        /// Its number of pieces.
        piece_count: u32,
    }

    /// A slot that the loader fills in.
    RelocationRecord {
        /// What it stands for, for disassembly and messages.
        name: u32,
        /// [`SlotKind`].
        kind: u32,
    }

    /// A try block: a fault at an instruction of the range goes on at `target`.
    CatchRecord {
        /// First instruction of the range, counted in the code section.
        start: u32,
        /// The instruction after the range.
        end: u32,
        /// Where the run goes on; not inside the range, nor before it.
        target: u32,
        /// The string register that takes the message, or [`CatchRecord::NO_REGISTER`].
        message: u32,
    }
}

impl LockRecord {
    /// Set in `global` when it names a map.
    pub const MAP: u32 = 1 << 31;
}

impl CatchRecord {
    /// The handler does not want the message.
    pub const NO_REGISTER: u32 = u32::MAX;
}

macro_rules! small_enum {
    ($(#[$doc:meta])* $name:ident: $repr:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
        #[repr($repr)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $number,)*
        }

        impl $name {
            /// The variant with this number.
            pub const fn from_number(number: $repr) -> Option<$name> {
                match number {
                    $($number => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

small_enum! {
    /// Type of a value.
    ValueKind: u8 {
        /// 64-bit signed number.
        Long = 0,
        /// Byte string.
        Str = 1,
        /// Aggregate; only maps hold it.
        Stat = 2,
    }
}

small_enum! {
    /// Type of what a function returns.
    ReturnKind: u8 {
        /// Nothing.
        Nothing = 0,
        /// 64-bit signed number.
        Long = 1,
        /// Byte string.
        Str = 2,
    }
}

small_enum! {
    /// How a handler holds a global's lock.
    LockMode: u32 {
        /// Shared with other readers.
        Read = 0,
        /// Alone.
        Write = 1,
    }
}

small_enum! {
    /// Which histogram an aggregate keeps.
    HistogramKind: u8 {
        /// None.
        None = 0,
        /// A bucket for each power of two.
        Log = 1,
        /// Buckets of equal width between two bounds.
        Linear = 2,
    }
}

small_enum! {
    /// What a full map does with a new key.
    Overflow: u8 {
        /// Fails: "Array overflow".
        Fail = 0,
        /// Drops its oldest entry (`%` in the declaration).
        DropOldest = 1,
        /// Fails: "Array overflow", of a map whose size the script has chosen.
        FailAtSize = 2,
    }
}

small_enum! {
    /// What a relocation slot holds.
    SlotKind: u32 {
        /// A number: size, enumerator, address, 0 or 1 for existence.
        Value = 0,
        /// Offset and width of a member.
        Member = 1,
        /// Position and width of an argument of the probed function.
        Argument = 2,
        /// Position and width of an argument of the tracepoint.
        TraceArgument = 3,
        /// Width of what the probed function returned.
        ReturnValue = 4,
    }
}

small_enum! {
    /// Width and sign of a memory load.
    Width: u8 {
        /// 1 byte, zero-extended.
        U8 = 0,
        /// 2 bytes, zero-extended.
        U16 = 1,
        /// 4 bytes, zero-extended.
        U32 = 2,
        /// 8 bytes.
        U64 = 3,
        /// 1 byte, sign-extended.
        I8 = 4,
        /// 2 bytes, sign-extended.
        I16 = 5,
        /// 4 bytes, sign-extended.
        I32 = 6,
    }
}

small_enum! {
    /// What is asked of an aggregate.
    StatOperation: u8 {
        /// Number of values.
        Count = 0,
        /// Their sum.
        Sum = 1,
        /// The least.
        Min = 2,
        /// The greatest.
        Max = 3,
        /// Their mean, towards zero.
        Average = 4,
        /// Their sample variance.
        Variance = 5,
    }
}

/// What is asked of an aggregate, with the bit shift of the variance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatField {
    /// Which number.
    pub operation: StatOperation,
    /// The variance is computed of values shifted left by this, 0 to 63.
    pub shift: u8,
}

impl StatField {
    /// The operand that stands for it.
    pub const fn to_raw(self) -> u16 {
        self.operation as u16 | (self.shift as u16) << 8
    }

    /// The field that an operand stands for.
    pub const fn from_raw(raw: u16) -> Option<StatField> {
        let Some(operation) = StatOperation::from_number(raw as u8) else { return None };
        let shift = (raw >> 8) as u8;
        if shift > 63 || (shift != 0 && !matches!(operation, StatOperation::Variance)) {
            return None;
        }
        Some(StatField { operation, shift })
    }
}

/// What a foreach sorts by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub enum SortSubject {
    /// Nothing: the order of insertion.
    Unsorted,
    /// Key number n of the tuple, from 0.
    Key(u8),
    /// The value, of a map of longs or strings.
    Value,
    /// A number of the aggregate.
    Stat(StatOperation),
}

/// The order of a foreach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SortOrder {
    /// What is compared.
    pub subject: SortSubject,
    /// Greatest first.
    pub descending: bool,
}

impl SortOrder {
    const DESCENDING: u16 = 1 << 8;

    /// The order of insertion.
    pub const UNSORTED: SortOrder = SortOrder { subject: SortSubject::Unsorted, descending: false };

    /// The operand that stands for it.
    pub const fn to_raw(self) -> u16 {
        let subject = match self.subject {
            SortSubject::Unsorted => return 0,
            SortSubject::Value => 1,
            SortSubject::Key(n) => 0x20 | (n & 0x1f) as u16,
            SortSubject::Stat(operation) => 0x40 | operation as u16,
        };
        if self.descending { subject | Self::DESCENDING } else { subject }
    }

    /// The order that an operand stands for.
    pub const fn from_raw(raw: u16) -> Option<SortOrder> {
        let low = raw & !Self::DESCENDING;
        let subject = match low {
            0 => SortSubject::Unsorted,
            1 => SortSubject::Value,
            0x20..=0x2f => SortSubject::Key((low & 0x1f) as u8),
            0x40..=0x45 => match StatOperation::from_number((low & 0x1f) as u8) {
                Some(operation) => SortSubject::Stat(operation),
                None => return None,
            },
            _ => return None,
        };
        let order = SortOrder { subject, descending: raw & Self::DESCENDING != 0 };
        if order.to_raw() == raw { Some(order) } else { None }
    }
}

impl MapRecord {
    /// Is key `n` a string?
    pub const fn key_is_string(&self, n: u8) -> bool {
        self.string_keys >> (n & 15) & 1 != 0
    }

    /// String members of the key tuple.
    pub const fn string_key_count(&self) -> u8 {
        self.string_keys.count_ones() as u8
    }

    /// Long members of the key tuple.
    pub const fn long_key_count(&self) -> u8 {
        self.key_count.saturating_sub(self.string_key_count())
    }

    /// Buckets of its histogram: 0 with no histogram; for a linear one, the buckets
    /// between the bounds, one below and one above.
    pub fn bucket_count(&self) -> u32 {
        match HistogramKind::from_number(self.histogram) {
            Some(HistogramKind::Log) => crate::limits::MAX_BUCKETS,
            Some(HistogramKind::Linear) => linear_buckets(self).unwrap_or(0),
            _ => 0,
        }
    }
}

/// Buckets of a linear histogram, if its bounds make sense.
pub(crate) fn linear_buckets(map: &MapRecord) -> Option<u32> {
    let span = map.histogram_high.checked_sub(map.histogram_low)?;
    if span <= 0 || map.histogram_step <= 0 {
        return None;
    }
    // The upper bound's own bucket counts, as do those below and above.
    let inside = span.checked_div(map.histogram_step)?.checked_add(1)?;
    u32::try_from(inside.checked_add(2)?).ok()
}

const _: () = {
    assert!(size_of::<FunctionRecord>() == 36);
    assert!(size_of::<MapRecord>() == 48);
    assert!(size_of::<ProbeRecord>() == 16);
};
