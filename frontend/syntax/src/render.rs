// SPDX-License-Identifier: GPL-2.0-or-later
//! Diagnostics as text, by the `annotate-snippets` crate.
//!
//! The first line keeps SystemTap's words (`parse error: ...`, `semantic error: ...`),
//! for tools that look for them.

use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::source::SourceMap;
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
    let title = level.with_name(diagnostic.severity.text()).primary_title(&diagnostic.message);
    let mut group = Group::with_title(title);
    let primary = (&diagnostic.primary, AnnotationKind::Primary);
    let secondary = diagnostic.secondary.iter().map(|label| (label, AnnotationKind::Context));
    let labels: Vec<(&Label, AnnotationKind)> = std::iter::once(primary).chain(secondary).collect();
    let mut files: Vec<_> = labels.iter().map(|(label, _)| label.span.file).collect();
    files.dedup();
    for file in files {
        let Some(source) = map.get(file) else { continue };
        let length = source.text().len();
        let annotations = labels.iter().filter(|(label, _)| label.span.file == file);
        group = group.element(Snippet::source(source.text()).path(source.name()).annotations(
            annotations.map(|(label, kind)| {
                let start = (label.span.start as usize).min(length);
                let end = (label.span.end as usize).clamp(start, length);
                let text = (!label.text.is_empty()).then_some(label.text.as_str());
                (*kind).span(start..end).label(text)
            }),
        ));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}
