// SPDX-License-Identifier: GPL-2.0-or-later
//! Names of x86-64 registers, as `register()` takes them.

/// In the order of `struct pt_regs`, which is that of
/// [`vm_spec::probe::ContextWord::Register`].
const WHOLE: [&str; 21] = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "xcs", "xeflags", "rsp", "xss",
];

/// A register or the low part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Register {
    /// Which.
    pub(crate) number: u8,
    /// Bits of it.
    pub(crate) bits: u8,
}

/// The register of this name: `rax`, `eax`, `ax`, `r8`, `r8d`, `r8w`, `eflags`...
pub(crate) fn register(name: &str) -> Option<Register> {
    let name = match name {
        "eflags" | "flags" => "xeflags",
        "cs" => "xcs",
        "ss" => "xss",
        other => other,
    };
    let whole = |name: &str| WHOLE.iter().position(|known| *known == name).map(|n| n as u8);
    if let Some(number) = whole(name) {
        return Some(Register { number, bits: 64 });
    }
    let part = |number: Option<u8>, bits| number.map(|number| Register { number, bits });
    if let Some(base) = name.strip_suffix('d').filter(|base| base.starts_with('r')) {
        return part(whole(base), 32);
    }
    if let Some(base) = name.strip_suffix('w') {
        return part(whole(base), 16);
    }
    match name.strip_prefix('e') {
        Some(rest) => part(whole(&format!("r{rest}")), 32),
        None => part(whole(&format!("r{name}")), 16),
    }
}

#[cfg(test)]
mod tests {
    use super::{Register, register};

    #[test]
    fn names_and_widths() {
        let expect = |number, bits| Some(Register { number, bits });
        for (name, want) in [
            ("rax", expect(10, 64)),
            ("eax", expect(10, 32)),
            ("ax", expect(10, 16)),
            ("r8", expect(9, 64)),
            ("r8d", expect(9, 32)),
            ("r8w", expect(9, 16)),
            ("rip", expect(16, 64)),
            ("eflags", expect(18, 64)),
            ("rd", None),
            ("", None),
            ("zmm0", None),
        ] {
            assert_eq!(register(name), want, "{name}");
        }
    }
}
