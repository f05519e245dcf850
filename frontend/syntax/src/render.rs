// SPDX-License-Identifier: GPL-2.0-or-later
//! Diagnostics as text, by the `annotate-snippets` crate.
//!
//! The first line keeps SystemTap's words (`parse error: ...`, `semantic error: ...`) and
//! of a semantic error also its place (`identifier 'x' at FILE:LINE:COLUMN`), for tools
//! that look for them.

use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::source::{FileId, SourceMap, Span};
use crate::token::is_keyword;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// The text of a diagnostic, with the source lines it speaks of.
pub fn render(map: &SourceMap, diagnostic: &Diagnostic) -> String {
    draw(map, diagnostic, &Renderer::plain())
}

/// The same with colours for a terminal.
pub fn render_colored(map: &SourceMap, diagnostic: &Diagnostic) -> String {
    draw(map, diagnostic, &Renderer::styled())
}

fn draw(map: &SourceMap, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        Severity::ParseError | Severity::SemanticError => Level::ERROR,
    };
    let parsing = diagnostic.severity == Severity::ParseError;
    let has_place = parsing || diagnostic.primary.span.end > 0;
    let title = if parsing || !has_place {
        diagnostic.message.trim_end().to_owned()
    } else {
        format!("{}: {}", diagnostic.message, place(map, diagnostic.primary.span))
    };
    let title = level.with_name(diagnostic.severity.text()).primary_title(title);
    let mut group = Group::with_title(title);
    let primary = (&diagnostic.primary, AnnotationKind::Primary);
    let secondary = diagnostic.secondary.iter().map(|label| (label, AnnotationKind::Context));
    let labels: Vec<(&Label, AnnotationKind)> =
        std::iter::once(primary).filter(|_| has_place).chain(secondary).collect();
    let mut files: Vec<FileId> = Vec::new();
    for (label, _) in &labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    for file in files {
        let own = labels.iter().filter(|(label, _)| label.span.file == file);
        if let Some(snippet) = snippet(map, file, &own.collect::<Vec<_>>()) {
            group = group.element(snippet);
        }
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}

/// The lines that the labels of a file speak of, and no more: a file may be large.
fn snippet<'m>(
    map: &'m SourceMap,
    file: FileId,
    labels: &[&(&'m Label, AnnotationKind)],
) -> Option<Snippet<'m, annotate_snippets::Annotation<'m>>> {
    let source = map.get(file)?;
    let text = source.text();
    let inside = |offset: u32| (offset as usize).min(text.len());
    let first = labels.iter().map(|(label, _)| inside(label.span.start)).min()?;
    let last = labels.iter().map(|(label, _)| inside(label.span.end)).max()?.max(first);
    let start = text.as_bytes()[..first].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let end = text.as_bytes()[last..].iter().position(|b| *b == b'\n');
    let end = end.map_or(text.len(), |n| last + n);
    let line = map.position(Span { file, start: start as u32, end: start as u32 }).line;
    let too_long = end - start > LONGEST_TEXT;
    let (start, end) = if too_long { window(text, first, start, end) } else { (start, end) };
    let lines = text.get(start..end).unwrap_or_default();
    let within = |offset: u32| {
        lines.floor_char_boundary(inside(offset).clamp(start, end).saturating_sub(start))
    };
    let annotations = labels.iter().map(|(label, kind)| {
        let from = within(label.span.start);
        let to = within(label.span.end).max(from);
        let text = (!label.text.is_empty()).then_some(label.text.as_str());
        (*kind).span(from..to).label(text)
    });
    let name = source.name();
    // Columns would be those of the part that is shown; the first line has the true ones.
    let path = if too_long { format!("{name} (part of a long text)") } else { name.to_owned() };
    let snippet = Snippet::source(lines).line_start(line as usize).path(path);
    Some(snippet.annotations(annotations))
}

/// Longest text that is shown whole, in bytes.
const LONGEST_TEXT: usize = 16 << 10;
/// What is shown of a longer one before and behind the place that matters.
const AROUND: usize = 100;

/// The part of a long text around a place.
fn window(text: &str, place: usize, start: usize, end: usize) -> (usize, usize) {
    let from = text.ceil_char_boundary(place.saturating_sub(AROUND).max(start));
    let to = text.floor_char_boundary(place.saturating_add(AROUND).min(end));
    (from, to.max(from))
}

/// `identifier 'x' at FILE:LINE:COLUMN`, as SystemTap says where something is.
fn place(map: &SourceMap, span: Span) -> String {
    let position = map.position(span);
    let token = token(map.text(span));
    format!("{token} at {}:{}:{}", map.name(span.file), position.line, position.column)
}

/// Longest token that is shown.
const SHOWN: usize = 60;

/// What the first token of a text is.
fn token(text: &str) -> String {
    let word = |start: usize| {
        let rest = text.get(start..).unwrap_or_default();
        let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '$';
        text.get(..start).unwrap_or_default().chars().chain(rest.chars().take_while(is_part))
    };
    let taken = |word: &mut dyn Iterator<Item = char>| word.take(SHOWN).collect::<String>();
    match text.chars().next() {
        None => "end of file".to_owned(),
        Some(c) if c.is_ascii_alphabetic() || c == '_' || c == '$' => {
            let name = taken(&mut word(0));
            if is_keyword(&name) { "keyword".to_owned() } else { format!("identifier '{name}'") }
        }
        Some(c) if c.is_ascii_digit() => format!("number '{}'", taken(&mut word(0))),
        Some('"') => {
            let inner = text.get(1..).unwrap_or_default().split('"').next().unwrap_or_default();
            format!("string '{}'", taken(&mut inner.chars()))
        }
        Some('@') => format!("operator '{}'", taken(&mut word(1))),
        Some(_) => {
            let mut symbol = text.chars().take_while(|c| c.is_ascii_punctuation() && *c != '"');
            format!("operator '{}'", taken(&mut symbol))
        }
    }
}
