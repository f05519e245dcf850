// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF made of parts, for tests and fuzzers.

use super::kind;

/// BTF under construction. Types are numbered from 1 in the order in which they are made;
/// names may be empty.
#[derive(Clone, Debug)]
pub struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
    next: u32,
    first_string: u32,
}

impl Default for Builder {
    fn default() -> Self {
        Builder { types: Vec::new(), strings: vec![0], next: 1, first_string: 0 }
    }
}

impl Builder {
    /// The BTF of a module on top of another's types and strings.
    pub fn on(base: &super::Btf) -> Builder {
        let first_string = base.string_end();
        Builder { next: base.end(), first_string, strings: Vec::new(), ..Builder::default() }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.first_string + self.strings.len() as u32;
        self.strings.extend(text.bytes());
        self.strings.push(0);
        at
    }

    fn words(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn ty(&mut self, name: &str, kind: u8, count: usize, flag: bool, word: u32) -> u32 {
        let name = self.string(name);
        let info = (u32::from(flag) << 31) | (u32::from(kind) << 24) | count as u32;
        self.words(&[name, info, word]);
        self.next += 1;
        self.next - 1
    }

    /// A whole number of so many bytes.
    pub fn integer(&mut self, name: &str, bytes: u32, signed: bool) -> u32 {
        let id = self.ty(name, kind::INT, 0, false, bytes);
        self.words(&[(u32::from(signed) << 24) | (bytes * 8)]);
        id
    }

    /// A floating-point number of so many bytes.
    pub fn float(&mut self, name: &str, bytes: u32) -> u32 {
        self.ty(name, kind::FLOAT, 0, false, bytes)
    }

    /// A pointer; 0 makes it a `void *`.
    pub fn pointer(&mut self, to: u32) -> u32 {
        self.ty("", kind::PTR, 0, false, to)
    }

    /// An array.
    pub fn array(&mut self, element: u32, count: u32) -> u32 {
        let id = self.ty("", kind::ARRAY, 0, false, 0);
        self.words(&[element, element, count]);
        id
    }

    /// A struct with members of name, type, first bit, and bits (0 if it is no bit field).
    pub fn structure(&mut self, name: &str, bytes: u32, members: &[(&str, u32, u32, u32)]) -> u32 {
        self.composite(kind::STRUCT, name, bytes, members)
    }

    /// A union, likewise.
    pub fn union(&mut self, name: &str, bytes: u32, members: &[(&str, u32, u32, u32)]) -> u32 {
        self.composite(kind::UNION, name, bytes, members)
    }

    fn composite(
        &mut self,
        kind: u8,
        name: &str,
        bytes: u32,
        members: &[(&str, u32, u32, u32)],
    ) -> u32 {
        let flag = members.iter().any(|(_, _, _, bits)| *bits > 0);
        let id = self.ty(name, kind, members.len(), flag, bytes);
        for (name, ty, first, bits) in members {
            let name = self.string(name);
            let first = if flag { first & 0xff_ffff } else { *first };
            self.words(&[name, *ty, (bits << 24) | first]);
        }
        id
    }

    /// The number that the next type will have.
    pub(crate) fn next_number(&self) -> u32 {
        self.next
    }

    /// An enum of 4 bytes.
    pub fn enumeration(&mut self, name: &str, values: &[(&str, i32)]) -> u32 {
        self.enumeration_of(name, 4, values)
    }

    /// An enum of 1, 2 or 4 bytes.
    pub fn enumeration_of(&mut self, name: &str, bytes: u32, values: &[(&str, i32)]) -> u32 {
        let signed = values.iter().any(|(_, value)| *value < 0);
        let id = self.ty(name, kind::ENUM, values.len(), signed, bytes);
        for (name, value) in values {
            let name = self.string(name);
            self.words(&[name, *value as u32]);
        }
        id
    }

    /// An enum of 8 bytes.
    pub fn enumeration64(&mut self, name: &str, values: &[(&str, u64)]) -> u32 {
        let id = self.ty(name, kind::ENUM64, values.len(), false, 8);
        for (name, value) in values {
            let name = self.string(name);
            self.words(&[name, *value as u32, (value >> 32) as u32]);
        }
        id
    }

    /// The declaration of a struct.
    pub fn forward(&mut self, name: &str) -> u32 {
        self.ty(name, kind::FWD, 0, false, 0)
    }

    /// Another name.
    pub fn typedef(&mut self, name: &str, of: u32) -> u32 {
        self.ty(name, kind::TYPEDEF, 0, false, of)
    }

    /// The type, `const`.
    pub fn constant(&mut self, of: u32) -> u32 {
        self.ty("", kind::CONST, 0, false, of)
    }

    /// The type, `volatile`.
    pub fn volatile(&mut self, of: u32) -> u32 {
        self.ty("", kind::VOLATILE, 0, false, of)
    }

    /// The type, `restrict`.
    pub fn restricted(&mut self, of: u32) -> u32 {
        self.ty("", kind::RESTRICT, 0, false, of)
    }

    /// The type, with a tag.
    pub fn tagged(&mut self, tag: &str, of: u32) -> u32 {
        self.ty(tag, kind::TYPE_TAG, 0, false, of)
    }

    /// A prototype with parameters of name and type.
    pub fn prototype(&mut self, returns: u32, parameters: &[(&str, u32)]) -> u32 {
        let id = self.ty("", kind::FUNC_PROTO, parameters.len(), false, returns);
        for (name, ty) in parameters {
            let name = self.string(name);
            self.words(&[name, *ty]);
        }
        id
    }

    /// A function, with its prototype.
    pub fn function(&mut self, name: &str, returns: u32, parameters: &[(&str, u32)]) -> u32 {
        let prototype = self.prototype(returns, parameters);
        self.ty(name, kind::FUNC, 0, false, prototype)
    }

    /// A global variable.
    pub fn variable(&mut self, name: &str, ty: u32) -> u32 {
        let id = self.ty(name, kind::VAR, 0, false, ty);
        self.words(&[1]);
        id
    }

    /// The bytes.
    pub fn finish(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut bytes = Vec::new();
        bytes.extend(super::MAGIC.to_le_bytes());
        bytes.extend([1, 0]);
        for word in [super::HEADER_BYTES as u32, 0, types, types, strings] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}
