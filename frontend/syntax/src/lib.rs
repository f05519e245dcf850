// SPDX-License-Identifier: GPL-2.0-or-later
//! Script text to AST, for the whole SystemTap language.
//!
//! ```text
//! source        files and spans: where in which text something stands
//! token         what a script is made of
//! lexer         bytes -> tokens
//! preprocess    %( ... %), @define macros, $1 @1 $# @#: tokens -> tokens
//! parser        tokens -> ast, recovering at each error
//! ast           the tree
//! printer       the tree as text again
//! diagnostic    an error as data
//! render        an error as text with its source line
//! visit         walking over trees
//! ```
//! The crate knows no probe's meaning, no type, no file and no process. Parsing never
//! fails as a whole: it gives a tree and a list of diagnostics.
#![forbid(unsafe_code)]

pub mod ast;
pub mod diagnostic;
pub mod lexer;
pub mod parser;
pub mod preprocess;
pub mod printer;
pub mod render;
pub mod source;
pub mod token;
pub mod visit;

pub use diagnostic::{Diagnostic, Severity};
pub use parser::{Parsed, parse, parse_with_macros};
pub use preprocess::{Environment, MacroLibrary, ParseOptions, Release};
pub use source::{FileId, SourceMap, Span};
