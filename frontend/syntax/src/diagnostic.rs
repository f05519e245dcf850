// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors and warnings as data. [`crate::render`] makes text of them.

use crate::source::Span;

/// How bad it is, in SystemTap's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// `WARNING:`
    Warning,
    /// `parse error:`
    ParseError,
    /// `semantic error:`
    SemanticError,
}

impl Severity {
    /// The words before the message.
    pub const fn text(self) -> &'static str {
        match self {
            Severity::Warning => "WARNING",
            Severity::ParseError => "parse error",
            Severity::SemanticError => "semantic error",
        }
    }
}

/// A place and what is to be said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What.
    pub text: String,
}

/// One error or warning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where; its text says what was expected, if anything is to be said.
    pub primary: Label,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// What to do.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic with a place and nothing more.
    pub fn new(severity: Severity, message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic {
            severity,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A parse error.
    pub fn parse(message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::new(Severity::ParseError, message, span)
    }

    /// A semantic error.
    pub fn semantic(message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::new(Severity::SemanticError, message, span)
    }

    /// A warning.
    pub fn warning(message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::new(Severity::Warning, message, span)
    }

    /// With something said at its place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// With another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Does it stop the compilation?
    pub fn is_error(&self) -> bool {
        self.severity != Severity::Warning
    }
}
