// SPDX-License-Identifier: GPL-2.0-or-later
//! The instruction table. Every opcode stands here once; the encoder, the decoder,
//! the disassembler, the verifier, the interpreter's dispatch and `ISA.md` are
//! made from it.
//!
//! # Registers
//! A frame has two register files, `R` of longs and `S` of strings, so an operand's
//! role tells its type and nothing has to be inferred. Both are cleared when the
//! frame is entered: a register holds 0 or "" until something is put there, which
//! is what the language says of an unassigned local.
//!
//! # Argument tuples
//! Map keys, call arguments and format arguments are tuples of longs and strings.
//! Their longs lie in consecutive R registers from one base, their strings in
//! consecutive S registers from another, each in the tuple's order. What the tuple
//! looks like is told by the operand that names the map, function, helper or format.
//!
//! # Paying
//! A jump to an earlier or the same instruction is allowed only to a `charge`, or
//! from an opcode that `pays` itself. Calls pay, and whatever touches n bytes or n
//! entries pays for them in the interpreter.

use crate::ids::*;
use crate::insn::{Field, Insn};

/// Calls `$consume!` with the whole table.
///
/// A row: `number Name mnemonic { field: Role, ... } [property ...];` with the
/// operation in its doc comment. Fields are those of [`Field`]; roles are those of
/// [`role`]. Properties: `fails` (may raise a run-time fault), `pays` (charges the
/// step budget, so it may jump back), `ends` (nothing falls through), `writes` (the
/// global it names is changed, so the lock set must hold it for writing).
#[macro_export]
macro_rules! for_each_opcode {
    ($consume:ident) => {
        $consume! {
            // ---- constants and moves -------------------------------------------------
            /// `R[a] := imm`
            0x01 LoadImm ldi { a: LongDef, imm: Int } [];
            /// `R[a] := K[imm]`
            0x02 LoadLong ldk { a: LongDef, imm: LongConst } [];
            /// `S[a] := STR[imm]`
            0x03 LoadStr lds { a: StrDef, imm: StrConst } [];
            /// `R[a] := R[b]`
            0x04 Move mov { a: LongDef, b: LongUse } [];
            /// `S[a] := S[b]`
            0x05 MoveStr movs { a: StrDef, b: StrUse } [];

            // ---- 64-bit wrapping arithmetic ------------------------------------------
            /// `R[a] := R[b] + R[c]`
            0x08 Add add { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] - R[c]`
            0x09 Sub sub { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] * R[c]`
            0x0a Mul mul { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] / R[c]`, towards zero; by 0 fails, MIN / -1 is MIN
            0x0b Div div { a: LongDef, b: LongUse, c: LongUse } [fails];
            /// `R[a] := R[b] % R[c]`, sign of R[b]; by 0 fails, MIN % -1 is 0
            0x0c Rem rem { a: LongDef, b: LongUse, c: LongUse } [fails];
            /// `R[a] := R[b] & R[c]`
            0x0d And and { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] | R[c]`
            0x0e Or or { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] ^ R[c]`
            0x0f Xor xor { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] << (R[c] & 63)`
            0x10 Shl shl { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] >> (R[c] & 63)`, copying the sign
            0x11 Shr shr { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] >>> (R[c] & 63)`, filling with zeros
            0x12 Ushr ushr { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] + imm`
            0x13 AddImm addi { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := R[b] * imm`
            0x14 MulImm muli { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := R[b] & imm`
            0x15 AndImm andi { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := R[b] | imm`
            0x16 OrImm ori { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := R[b] ^ imm`
            0x17 XorImm xori { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := R[b] << (imm & 63)`
            0x18 ShlImm shli { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := R[b] >> (imm & 63)`, copying the sign
            0x19 ShrImm shri { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := R[b] >>> (imm & 63)`
            0x1a UshrImm ushri { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := imm - R[b]`
            0x1b RsubImm rsubi { a: LongDef, b: LongUse, imm: Int } [];
            /// `R[a] := ~R[b]`
            0x1c Not not { a: LongDef, b: LongUse } [];
            /// `R[a] := R[b] == 0`
            0x1d IsZero isz { a: LongDef, b: LongUse } [];
            /// `R[a] := R[b] != 0`
            0x1e NonZero isnz { a: LongDef, b: LongUse } [];

            // ---- comparisons that give 0 or 1 ----------------------------------------
            /// `R[a] := R[b] == R[c]`
            0x20 Eq eq { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] != R[c]`
            0x21 Ne ne { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] < R[c]`, signed
            0x22 Lt lt { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := R[b] <= R[c]`, signed
            0x23 Le le { a: LongDef, b: LongUse, c: LongUse } [];
            /// `R[a] := S[b] == S[c]`
            0x24 EqStr eqs { a: LongDef, b: StrUse, c: StrUse } [];
            /// `R[a] := S[b] != S[c]`
            0x25 NeStr nes { a: LongDef, b: StrUse, c: StrUse } [];
            /// `R[a] := S[b] < S[c]`, bytewise
            0x26 LtStr lts { a: LongDef, b: StrUse, c: StrUse } [];
            /// `R[a] := S[b] <= S[c]`, bytewise
            0x27 LeStr les { a: LongDef, b: StrUse, c: StrUse } [];
            /// `R[a] := S[b] == STR[imm]`
            0x28 EqStrConst eqsk { a: LongDef, b: StrUse, imm: StrConst } [];

            // ---- jumps: imm is the target's position in the code section -------------
            /// `goto imm`
            0x30 Jump jmp { imm: Target } [ends];
            /// `if R[a] == 0 goto imm`
            0x31 JumpZero jz { a: LongUse, imm: Target } [];
            /// `if R[a] != 0 goto imm`
            0x32 JumpNonZero jnz { a: LongUse, imm: Target } [];
            /// `if R[a] == R[b] goto imm`
            0x33 JumpEq jeq { a: LongUse, b: LongUse, imm: Target } [];
            /// `if R[a] != R[b] goto imm`
            0x34 JumpNe jne { a: LongUse, b: LongUse, imm: Target } [];
            /// `if R[a] < R[b] goto imm`
            0x35 JumpLt jlt { a: LongUse, b: LongUse, imm: Target } [];
            /// `if R[a] <= R[b] goto imm`
            0x36 JumpLe jle { a: LongUse, b: LongUse, imm: Target } [];
            /// `if R[a] == bc goto imm`
            0x37 JumpEqImm jeqi { a: LongUse, bc: Int, imm: Target } [];
            /// `if R[a] != bc goto imm`
            0x38 JumpNeImm jnei { a: LongUse, bc: Int, imm: Target } [];
            /// `if R[a] < bc goto imm`
            0x39 JumpLtImm jlti { a: LongUse, bc: Int, imm: Target } [];
            /// `if R[a] <= bc goto imm`
            0x3a JumpLeImm jlei { a: LongUse, bc: Int, imm: Target } [];
            /// `if R[a] > bc goto imm`
            0x3b JumpGtImm jgti { a: LongUse, bc: Int, imm: Target } [];
            /// `if R[a] >= bc goto imm`
            0x3c JumpGeImm jgei { a: LongUse, bc: Int, imm: Target } [];
            /// `if R[a] & bc == 0 goto imm`
            0x3d JumpBitsClear jbc { a: LongUse, bc: Int, imm: Target } [];
            /// `if R[a] & bc != 0 goto imm`
            0x3e JumpBitsSet jbs { a: LongUse, bc: Int, imm: Target } [];
            /// `if S[a] == S[b] goto imm`
            0x3f JumpEqStr jeqs { a: StrUse, b: StrUse, imm: Target } [];
            /// `if S[a] != S[b] goto imm`
            0x40 JumpNeStr jnes { a: StrUse, b: StrUse, imm: Target } [];

            // ---- the step budget -----------------------------------------------------
            /// take `imm` steps off the budget
            0x44 Charge charge { imm: Steps } [fails pays];
            /// take 1 step; `R[a] += 1; if R[a] < bc goto imm`
            0x45 IncrementLoop iloop { a: LongDef, bc: Int, imm: Target } [fails pays];
            /// take 1 step; `R[a] += 1; if R[a] < R[b] goto imm`
            0x46 IncrementLoopReg iloopr { a: LongDef, b: LongUse, imm: Target } [fails pays];

            /// take c steps; `R[a] += 1; if R[a] < b goto imm`
            0xc0 IncrementLoopCost iloopc { a: LongDef, b: Int, c: Steps, imm: Target } [fails pays];

            // ---- globals of type long ------------------------------------------------
            /// `R[a] := G[lo]`
            0x48 LoadGlobal gld { a: LongDef, lo: Scalar } [];
            /// `G[lo] := R[a]`
            0x49 StoreGlobal gst { a: LongUse, lo: Scalar } [writes];
            /// `G[lo] += R[a]`
            0x4a AddGlobal gadd { a: LongUse, lo: Scalar } [writes];
            /// `G[lo] -= R[a]`
            0x4b SubGlobal gsub { a: LongUse, lo: Scalar } [writes];
            /// `G[lo] += bc`
            0x4c AddGlobalImm gaddi { bc: Int, lo: Scalar } [writes];
            /// `G[lo] += R[a] * bc`
            0x4d MulAddGlobal gmadd { a: LongUse, bc: Int, lo: Scalar } [writes];

            // ---- maps: b and c are the bases of the key tuple ------------------------
            /// `R[a] := M[lo][keys]`, 0 if absent
            0x50 MapGet mget { a: LongDef, b: TupleLongs, c: TupleStrs, lo: MapOfLong } [fails];
            /// `S[a] := M[lo][keys]`, "" if absent
            0x51 MapGetStr mgets { a: StrDef, b: TupleLongs, c: TupleStrs, lo: MapOfStr } [fails];
            /// `M[lo][keys] := R[a]`
            0x52 MapSet mset { a: LongUse, b: TupleLongs, c: TupleStrs, lo: MapOfLong } [fails writes];
            /// `M[lo][keys] := S[a]`
            0x53 MapSetStr msets { a: StrUse, b: TupleLongs, c: TupleStrs, lo: MapOfStr } [fails writes];
            /// `M[lo][keys] += R[a]`
            0x54 MapAdd madd { a: LongUse, b: TupleLongs, c: TupleStrs, lo: MapOfLong } [fails writes];
            /// `M[lo][keys] += hi`, hi taken as signed
            0x55 MapAddImm maddi { b: TupleLongs, c: TupleStrs, lo: MapOfLong, hi: Int } [fails writes];
            /// `R[a] := keys in M[lo]`
            0x56 MapHas mhas { a: LongDef, b: TupleLongs, c: TupleStrs, lo: AnyMap } [fails];
            /// `delete M[lo][keys]`
            0x57 MapDelete mdel { b: TupleLongs, c: TupleStrs, lo: AnyMap } [fails writes];
            /// `delete M[lo]`
            0x58 MapClear mclr { lo: AnyMap } [fails writes];
            /// `M[lo][keys] <<< R[a]`
            0x59 StatAdd sadd { a: LongUse, b: TupleLongs, c: TupleStrs, lo: MapOfStat } [fails writes];
            /// `R[a] := ` [`crate::image::StatField`] hi of `M[lo][keys]`
            0x5a StatGet sget { a: LongDef, b: TupleLongs, c: TupleStrs, lo: MapOfStat, hi: Stat } [fails];
            /// `R[a] := ` bucket `R[hi]` of the histogram of `M[lo][keys]`
            0x5b BucketGet bget { a: LongDef, b: TupleLongs, c: TupleStrs, lo: MapOfStat, hi: HighReg } [fails];
            /// print the histogram of `M[lo][keys]`
            0x5c PrintHistogram phist { b: TupleLongs, c: TupleStrs, lo: MapOfStat } [fails];

            // ---- iteration: R[a] or R[b] holds a cursor, 0 at the end ----------------
            /// sort `M[lo]` by [`crate::image::SortOrder`] hi; `R[a] := ` its first entry
            0x60 IterFirst ifirst { a: LongDef, lo: AnyMap, hi: Sort } [fails writes pays];
            /// take 1 step; `R[a] := ` the entry after `R[a]` in `M[bc]`; `if R[a] != 0 goto imm`
            0x61 IterNext inext { a: LongDef, bc: WideMap, imm: Target } [fails pays];
            /// `R[a] := ` long key number hi of the entry `R[b]` of `M[lo]`
            0x62 IterKey ikey { a: LongDef, b: LongUse, lo: AnyMap, hi: LongKey } [fails];
            /// `S[a] := ` string key number hi of the entry `R[b]` of `M[lo]`
            0x63 IterKeyStr ikeys { a: StrDef, b: LongUse, lo: AnyMap, hi: StrKey } [fails];
            /// `R[a] := ` the value of the entry `R[b]` of `M[lo]`
            0x64 IterValue ival { a: LongDef, b: LongUse, lo: MapOfLong } [fails];
            /// `S[a] := ` the value of the entry `R[b]` of `M[lo]`
            0x65 IterValueStr ivals { a: StrDef, b: LongUse, lo: MapOfStr } [fails];
            /// `R[a] := ` [`crate::image::StatField`] hi of the entry `R[b]` of `M[lo]`
            0x66 IterStat istat { a: LongDef, b: LongUse, lo: MapOfStat, hi: Stat } [fails];
            /// `R[a] := ` the cursor after `R[b]`, then delete the entry `R[b]` of `M[lo]`
            0x67 IterDelete idel { a: LongDef, b: LongUse, lo: AnyMap } [fails writes];

            // ---- strings -------------------------------------------------------------
            /// `S[a] := S[b] . S[c]`
            0x70 Concat cat { a: StrDef, b: StrUse, c: StrUse } [fails];

            // ---- calls: b and c are the bases of the argument tuple ------------------
            /// `R[a] or S[a] or nothing := F[imm](arguments)`
            0x78 Call call { a: TupleResult, b: TupleLongs, c: TupleStrs, imm: Function } [fails pays];
            /// `R[a] or S[a] or nothing := helper[imm](arguments)`
            0x79 CallHelper help { a: TupleResult, b: TupleLongs, c: TupleStrs, imm: Helper } [fails];
            /// return with no value; in a handler, finish the run
            0x7a Return ret { } [ends];
            /// return `R[a]`
            0x7b ReturnLong retl { a: ReturnsLong } [ends];
            /// return `S[a]`
            0x7c ReturnStr rets { a: ReturnsStr } [ends];
            /// finish the whole run from wherever it is (`next`)
            0x7d Finish finish { } [ends];
            /// fail with the message `S[a]` (`error()`)
            0x7e Raise raise { a: StrUse } [fails ends];

            // ---- output --------------------------------------------------------------
            /// print the arguments as format `imm` says
            0x80 Print print { b: TupleLongs, c: TupleStrs, imm: Format } [fails];
            /// `S[a] := ` the arguments as format `imm` says
            0x81 FormatStr sprint { a: StrDef, b: TupleLongs, c: TupleStrs, imm: Format } [fails];

            // ---- the probe's context and memory --------------------------------------
            /// `R[a] := ` context word imm, see [`crate::probe::ContextWord`]
            0x88 Context ctx { a: LongDef, imm: Word } [fails];
            /// `R[a] := *(width c *)(R[b] + imm)` of kernel memory, see [`crate::image::Width`]
            0x89 LoadKernel ldm { a: LongDef, b: LongUse, c: MemoryWidth, imm: Int } [fails];
            /// `R[a] := *(width c *)(R[b] + imm)` of the current process's memory
            0x8a LoadUser ldu { a: LongDef, b: LongUse, c: MemoryWidth, imm: Int } [fails];

            // ---- regular expressions -------------------------------------------------
            /// `R[a] := S[b] =~ RE[imm]`; `matched()` and its kin tell about it from now on
            0x90 Match rmatch { a: LongDef, b: StrUse, imm: Regex } [fails];

            // ---- what differs between kernels: see [`crate::relocation`] --------------
            /// `R[a] := ` the number in slot imm
            0x98 LoadSlot ldr { a: LongDef, imm: ValueSlot } [];
            /// `R[a] := *(width *)(R[b] + offset)` of kernel memory, both from slot imm
            0x99 LoadMember ldmr { a: LongDef, b: LongUse, imm: MemberSlot } [fails];
            /// `R[a] := *(width *)(R[b] + offset)` of the process's memory, both from slot imm
            0x9a LoadMemberUser ldur { a: LongDef, b: LongUse, imm: MemberSlot } [fails];
            /// `R[a] := ` the context word of slot imm, extended from its width
            0x9b ContextSlot ctxr { a: LongDef, imm: WordSlot } [fails];

            // ---- values kept from a function's entry to its return --------------------
            /// keep `R[a]` as long number imm
            0x9c Save save { a: LongUse, imm: SavedLong } [];
            /// `R[a] := ` kept long number imm
            0x9d LoadSaved ldsv { a: LongDef, imm: SavedLong } [];
            /// keep `S[a]` as string number imm
            0x9e SaveStr saves { a: StrUse, imm: SavedStr } [];
            /// `S[a] := ` kept string number imm
            0x9f LoadSavedStr ldsvs { a: StrDef, imm: SavedStr } [fails];

            // ---- overloaded functions ------------------------------------------------
            /// return 0 or "" and have the caller try the next overload (`next`)
            0xa0 Decline declin { } [ends];
            /// `if the last call did not decline goto imm`; what declined is forgotten
            0xa1 JumpAccepted jacc { imm: Target } [];
        }
    };
}

/// What an operand is to its instruction. The verifier checks by it, the
/// disassembler prints by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperandKind {
    /// A long register that is written (and, in loops, read).
    LongDef,
    /// A long register that is read.
    LongUse,
    /// A string register that is written.
    StrDef,
    /// A string register that is read.
    StrUse,
    /// A literal number.
    Int,
    /// A count of steps, above 0.
    Steps,
    /// An index of a 64-bit constant.
    LongConst,
    /// An index of a string constant.
    StrConst,
    /// A position in the code section, inside the same function.
    Target,
    /// A global of type long.
    Scalar,
    /// A map of longs.
    MapOfLong,
    /// A map of strings.
    MapOfStr,
    /// A map of aggregates.
    MapOfStat,
    /// A map of whatever.
    AnyMap,
    /// A map named in the `bc` field.
    WideMap,
    /// A [`crate::image::StatField`], with a bit shift for the variance.
    Stat,
    /// A [`crate::image::SortOrder`] that the map has a key or value for.
    Sort,
    /// The ordinal of a key among the map's long keys.
    LongKey,
    /// The ordinal of a key among the map's string keys.
    StrKey,
    /// A long register named in the `hi` field.
    HighReg,
    /// First register of the longs of the argument tuple.
    TupleLongs,
    /// First register of the strings of the argument tuple.
    TupleStrs,
    /// The register that takes a call's result, of the type the callee returns; 0
    /// if it returns nothing.
    TupleResult,
    /// A long register, in a function that returns long.
    ReturnsLong,
    /// A string register, in a function that returns string.
    ReturnsStr,
    /// A function.
    Function,
    /// A helper, see [`crate::helper`].
    Helper,
    /// A format.
    Format,
    /// A regular expression.
    Regex,
    /// A [`crate::probe::ContextWord`].
    Word,
    /// A [`crate::image::Width`].
    MemoryWidth,
    /// A relocation slot with a plain number.
    ValueSlot,
    /// A relocation slot with an offset and a width.
    MemberSlot,
    /// A relocation slot with a context word and its width.
    WordSlot,
    /// A long kept from a function's entry to its return.
    SavedLong,
    /// A string kept from a function's entry to its return.
    SavedStr,
}

/// The Rust type of each role, so that the encoder's functions take no bare integer
/// where an index is meant.
pub mod role {
    use super::*;
    use crate::helper::HelperId;
    use crate::image::{SortOrder, StatField, Width};
    use crate::probe::ContextWord;

    /// An operand role: its kind and the type that the encoder takes for it.
    pub trait Role {
        /// What a caller of the encoder hands over.
        type Value;
        /// The role as data.
        const KIND: OperandKind;
        /// The operand as it is put into its field.
        fn raw(value: Self::Value) -> i64;
    }

    macro_rules! define_roles {
        ($($name:ident: $value:ty = |$v:ident| $raw:expr;)*) => {$(
            #[doc = concat!("Role [`OperandKind::", stringify!($name), "`].")]
            #[derive(Debug)]
            pub struct $name;
            impl Role for $name {
                type Value = $value;
                const KIND: OperandKind = OperandKind::$name;
                fn raw($v: $value) -> i64 {
                    $raw
                }
            }
        )*};
    }

    define_roles! {
        LongDef: Reg = |v| v.0.into();
        LongUse: Reg = |v| v.0.into();
        StrDef: StrReg = |v| v.0.into();
        StrUse: StrReg = |v| v.0.into();
        Int: i32 = |v| v.into();
        Steps: u32 = |v| v.into();
        LongConst: LongId = |v| v.0.into();
        StrConst: StrId = |v| v.0.into();
        Target: Pc = |v| v.0.into();
        Scalar: ScalarId = |v| v.0.into();
        MapOfLong: MapId = |v| v.0.into();
        MapOfStr: MapId = |v| v.0.into();
        MapOfStat: MapId = |v| v.0.into();
        AnyMap: MapId = |v| v.0.into();
        WideMap: MapId = |v| v.0.into();
        Stat: StatField = |v| v.to_raw().into();
        Sort: SortOrder = |v| v.to_raw().into();
        LongKey: u8 = |v| v.into();
        StrKey: u8 = |v| v.into();
        HighReg: Reg = |v| v.0.into();
        TupleLongs: Reg = |v| v.0.into();
        TupleStrs: StrReg = |v| v.0.into();
        TupleResult: u8 = |v| v.into();
        ReturnsLong: Reg = |v| v.0.into();
        ReturnsStr: StrReg = |v| v.0.into();
        Function: FunctionId = |v| v.0.into();
        Helper: HelperId = |v| (v as u16).into();
        Format: FormatId = |v| v.0.into();
        Regex: RegexId = |v| v.0.into();
        Word: ContextWord = |v| v.to_raw().into();
        MemoryWidth: Width = |v| (v as u8).into();
        ValueSlot: RelocationId = |v| v.0.into();
        MemberSlot: RelocationId = |v| v.0.into();
        WordSlot: RelocationId = |v| v.0.into();
        SavedLong: u8 = |v| v.into();
        SavedStr: u8 = |v| v.into();
    }
}

/// A row of the table, as data.
#[derive(Clone, Copy, Debug)]
pub struct OpcodeInfo {
    /// The opcode.
    pub opcode: Opcode,
    /// Its name in disassembly.
    pub mnemonic: &'static str,
    /// Its operands in the order of the table.
    pub operands: &'static [(Field, OperandKind)],
    /// It may raise a run-time fault.
    pub fails: bool,
    /// It charges the step budget before it jumps.
    pub pays: bool,
    /// Nothing falls through to the next instruction.
    pub ends: bool,
    /// It changes the global it names.
    pub writes: bool,
    /// The operation, in the words of the table.
    pub operation: &'static str,
}

macro_rules! field {
    (a) => {
        Field::A
    };
    (b) => {
        Field::B
    };
    (c) => {
        Field::C
    };
    (bc) => {
        Field::Bc
    };
    (imm) => {
        Field::Imm
    };
    (lo) => {
        Field::Lo
    };
    (hi) => {
        Field::Hi
    };
}

const fn has(properties: &[&str], wanted: &str) -> bool {
    let mut i = 0;
    while i < properties.len() {
        if str_eq(properties[i], wanted) {
            return true;
        }
        i += 1;
    }
    false
}

const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

macro_rules! define_opcodes {
    ($($(#[doc = $doc:literal])* $number:literal $name:ident $mnemonic:ident
        { $($field:ident: $role:ident),* } [$($property:ident)*];)*) => {
        /// Every opcode, by number.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Opcode {
            $($(#[doc = $doc])* $name = $number,)*
        }

        impl Opcode {
            /// All opcodes in the order of the table.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name),*];

            /// The opcode with this number, if there is one.
            pub const fn from_number(number: u8) -> Option<Opcode> {
                match number {
                    $($number => Some(Opcode::$name),)*
                    _ => None,
                }
            }

            /// The row of the table.
            pub const fn info(self) -> &'static OpcodeInfo {
                match self {
                    $(Opcode::$name => {
                        const PROPERTIES: &[&str] = &[$(stringify!($property)),*];
                        const INFO: OpcodeInfo = OpcodeInfo {
                            opcode: Opcode::$name,
                            mnemonic: stringify!($mnemonic),
                            operands: &[$((field!($field), OperandKind::$role)),*],
                            fails: has(PROPERTIES, "fails"),
                            pays: has(PROPERTIES, "pays"),
                            ends: has(PROPERTIES, "ends"),
                            writes: has(PROPERTIES, "writes"),
                            operation: concat!($($doc),*),
                        };
                        &INFO
                    })*
                }
            }
        }

        /// The encoder: one function an opcode, named by its mnemonic.
        pub mod asm {
            use super::*;
            $(
                $(#[doc = $doc])*
                #[must_use]
                pub fn $mnemonic($($field: <role::$role as role::Role>::Value),*) -> Insn {
                    Insn { op: $number, ..Insn::default() }
                    $(.with(field!($field), <role::$role as role::Role>::raw($field)))*
                }
            )*
        }
    };
}

for_each_opcode!(define_opcodes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_a_bijection() {
        let mut mnemonics = std::collections::BTreeSet::new();
        for &op in Opcode::ALL {
            assert_eq!(Opcode::from_number(op as u8), Some(op));
            assert!(mnemonics.insert(op.info().mnemonic), "{op:?}");
        }
        let known = (0..=255u8).filter(|&n| Opcode::from_number(n).is_some()).count();
        assert_eq!(known, Opcode::ALL.len());
    }

    #[test]
    fn operands_do_not_overlap() {
        for &op in Opcode::ALL {
            let mut insn = Insn::default();
            for &(field, _) in op.info().operands {
                assert_eq!(insn.get(field), 0, "{op:?} uses a byte twice");
                insn = insn.with(field, -1);
            }
        }
    }
}
