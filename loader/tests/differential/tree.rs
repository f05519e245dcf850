// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs over longs, strings, arrays and statistics.

use std::fmt::Write;

/// Local variables of each type.
pub(crate) const LOCALS: usize = 3;
/// Deepest nesting of expressions and of statements.
const DEPTH: u32 = 4;

/// A variable of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Variable {
    Local(usize),
    Global,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    ShiftRightUnsigned,
}

impl Operator {
    const ALL: [(Operator, &'static str); 11] = [
        (Operator::Add, "+"),
        (Operator::Subtract, "-"),
        (Operator::Multiply, "*"),
        (Operator::Divide, "/"),
        (Operator::Modulo, "%"),
        (Operator::And, "&"),
        (Operator::Or, "|"),
        (Operator::Xor, "^"),
        (Operator::ShiftLeft, "<<"),
        (Operator::ShiftRight, ">>"),
        (Operator::ShiftRightUnsigned, ">>>"),
    ];

    fn text(self) -> &'static str {
        Operator::ALL.iter().find(|(operator, _)| *operator == self).map_or("", |(_, text)| text)
    }
}

pub(crate) const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
pub(crate) const AGGREGATES: [&str; 5] = ["count", "sum", "min", "max", "avg"];

#[derive(Clone, Debug)]
pub(crate) enum Long {
    Number(i64),
    Variable(Variable),
    Negate(Box<Long>),
    BitNot(Box<Long>),
    Not(Box<Long>),
    Binary(Operator, Box<Long>, Box<Long>),
    Compare(usize, Box<Long>, Box<Long>),
    CompareText(usize, Box<Text>, Box<Text>),
    Both(Box<Long>, Box<Long>),
    Either(Box<Long>, Box<Long>),
    Choose(Box<Long>, Box<Long>, Box<Long>),
    Element(Box<Long>),
    In(Box<Long>),
    Length(Box<Text>),
    Contains(Box<Text>, Box<Text>),
    /// `++v`, `v++`, `--v`, `v--`
    Step {
        variable: Variable,
        up: bool,
        before: bool,
    },
    Assign(Variable, Option<Operator>, Box<Long>),
    Aggregate(usize, Box<Long>),
    Call(Box<Long>, Box<Text>),
}

#[derive(Clone, Debug)]
pub(crate) enum Text {
    Literal(String),
    Variable(Variable),
    Concatenate(Box<Text>, Box<Text>),
    Number(Box<Long>),
    Choose(Box<Long>, Box<Text>, Box<Text>),
    Part(Box<Text>, Box<Long>, Box<Long>),
    Element(Box<Long>),
}

/// What a foreach is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sort {
    None,
    Key { descending: bool },
    Value { descending: bool },
}

#[derive(Clone, Debug)]
pub(crate) enum Statement {
    AssignLong(Variable, Option<Operator>, Long),
    AssignText(Variable, Text),
    Append(Variable, Text),
    SetElement(Long, Option<Operator>, Long),
    SetText(Long, Text),
    Delete(Long),
    Clear,
    Accumulate(Long, Long),
    PrintLong(Long),
    PrintText(Text),
    If(Long, Vec<Statement>, Vec<Statement>),
    /// A loop of so many rounds, with a counter of its own depth.
    Repeat(usize, u8, Vec<Statement>),
    Break(Long),
    Foreach(Sort, Option<u8>),
    Try(Vec<Statement>),
}

/// `probe begin`, with a function whose value is an expression of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) body: Vec<Statement>,
    pub(crate) function: Long,
}

/// The choices that make a program; when they run out, the simplest is chosen.
struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// Loops around the statement to be made.
    loops: usize,
}

impl Choices<'_> {
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % n
    }

    fn is_empty(&self) -> bool {
        self.bytes.len() == 0
    }

    fn variable(&mut self) -> Variable {
        match self.below(LOCALS + 1) {
            0 => Variable::Global,
            n => Variable::Local(n - 1),
        }
    }

    fn number(&mut self) -> i64 {
        match self.below(8) {
            0..=4 => self.below(7) as i64 - 2,
            5 => self.below(256) as i64 * 1000,
            6 => i64::MAX - self.below(2) as i64,
            _ => i64::MIN + self.below(2) as i64,
        }
    }

    fn operator(&mut self) -> Operator {
        Operator::ALL[self.below(Operator::ALL.len())].0
    }

    fn long(&mut self, depth: u32) -> Long {
        let next = depth.saturating_sub(1);
        let long = |c: &mut Self| Box::new(c.long(next));
        let text = |c: &mut Self| Box::new(c.string(next));
        match if depth == 0 { self.below(2) } else { self.below(22) } {
            0 => Long::Number(self.number()),
            1 => Long::Variable(self.variable()),
            2 => Long::Negate(long(self)),
            3 => Long::BitNot(long(self)),
            4 => Long::Not(long(self)),
            5..=8 => Long::Binary(self.operator(), long(self), long(self)),
            9 => Long::Compare(self.below(6), long(self), long(self)),
            10 => Long::CompareText(self.below(6), text(self), text(self)),
            11 => Long::Both(long(self), long(self)),
            12 => Long::Either(long(self), long(self)),
            13 => Long::Choose(long(self), long(self), long(self)),
            14 => Long::Element(long(self)),
            15 => Long::In(long(self)),
            16 => Long::Length(text(self)),
            17 => Long::Contains(text(self), text(self)),
            18 => Long::Step {
                variable: self.variable(),
                up: self.below(2) == 0,
                before: self.below(2) == 0,
            },
            19 => {
                let operator = if self.below(2) == 0 { None } else { Some(self.operator()) };
                Long::Assign(self.variable(), operator, long(self))
            }
            20 => Long::Aggregate(self.below(AGGREGATES.len()), long(self)),
            _ => Long::Call(long(self), text(self)),
        }
    }

    fn string(&mut self, depth: u32) -> Text {
        let next = depth.saturating_sub(1);
        let long = |c: &mut Self| Box::new(c.long(next));
        let text = |c: &mut Self| Box::new(c.string(next));
        match if depth == 0 { self.below(2) } else { self.below(8) } {
            0 => Text::Literal(["", "a", "ab", "b", "ba"][self.below(5)].to_owned()),
            1 => Text::Variable(self.variable()),
            2 | 3 => Text::Concatenate(text(self), text(self)),
            4 => Text::Number(long(self)),
            5 => Text::Choose(long(self), text(self), text(self)),
            6 => Text::Part(text(self), long(self), long(self)),
            _ => Text::Element(long(self)),
        }
    }

    fn block(&mut self, depth: u32) -> Vec<Statement> {
        let count = 1 + self.below(3);
        (0..count).map(|_| self.statement(depth.saturating_sub(1))).collect()
    }

    fn statement(&mut self, depth: u32) -> Statement {
        let operator = |c: &mut Self| if c.below(2) == 0 { None } else { Some(c.operator()) };
        match if depth == 0 { self.below(12) } else { self.below(16) } {
            0 => Statement::PrintLong(self.long(DEPTH)),
            1 => Statement::PrintText(self.string(DEPTH)),
            2 => Statement::AssignLong(self.variable(), operator(self), self.long(DEPTH)),
            3 => Statement::AssignText(self.variable(), self.string(DEPTH)),
            4 => Statement::Append(self.variable(), self.string(2)),
            5 | 6 => Statement::SetElement(self.long(1), operator(self), self.long(DEPTH)),
            7 => Statement::SetText(self.long(1), self.string(DEPTH)),
            8 => Statement::Delete(self.long(1)),
            9 => Statement::Accumulate(self.long(1), self.long(2)),
            10 => self.foreach(),
            11 if self.loops > 0 => Statement::Break(self.long(2)),
            11 => Statement::Clear,
            12 => Statement::If(self.long(DEPTH), self.block(depth), self.block(depth)),
            13 => Statement::Try(self.block(depth)),
            _ => {
                let counter = self.loops;
                let rounds = self.below(5) as u8;
                self.loops += 1;
                let body = self.block(depth);
                self.loops -= 1;
                Statement::Repeat(counter, rounds, body)
            }
        }
    }

    fn foreach(&mut self) -> Statement {
        let descending = self.below(2) == 1;
        match self.below(3) {
            // What a limit leaves in which order after a sort is nobody's promise.
            0 => Statement::Foreach(Sort::None, Some(self.below(4) as u8).filter(|n| *n > 0)),
            1 => Statement::Foreach(Sort::Key { descending }, None),
            _ => Statement::Foreach(Sort::Value { descending }, None),
        }
    }
}

impl Program {
    pub(crate) fn of(bytes: &[u8]) -> Program {
        let mut choices = Choices { bytes: bytes.iter(), loops: 0 };
        // A function that called itself might never end.
        let function = without_calls(choices.long(2));
        let mut body = Vec::new();
        while !choices.is_empty() && body.len() < 40 {
            body.push(choices.statement(3));
        }
        Program { body, function }
    }

    /// The script.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from(
            "global lg = 0, sg = \"\", a, t, s\n\
             function f:long (l0:long, s0:string) {\n  \
             l1 = l0; l2 = 3; s1 = s0; s2 = \"x\"\n",
        );
        let _ = writeln!(out, "  return {}\n}}", long(&self.function));
        out.push_str(
            "probe begin {\n  l0 = 1; l1 = 2; l2 = 3; s0 = \"\"; s1 = \"a\"; s2 = \"b\"\n",
        );
        // Nothing that happens, but it says what the arrays hold.
        out.push_str(
            "  if (l0 == 99) { a[0] = 0; t[0] = \"\"; s[0] <<< 0; \
             println(a[0], t[0], @count(s[0])) }\n",
        );
        statements(&self.body, 1, &mut out);
        for variable in
            [Variable::Global, Variable::Local(0), Variable::Local(1), Variable::Local(2)]
        {
            let _ = writeln!(
                out,
                "  println({}) println({}, \"|\")",
                name(variable, 'l'),
                name(variable, 's')
            );
        }
        out.push_str("  if (f(1, \"\") == 12345) println(\"\")\n}\n");
        out
    }
}

/// The expression with numbers in place of calls.
fn without_calls(e: Long) -> Long {
    if long(&e).contains("f(") { Long::Number(7) } else { e }
}

fn name(variable: Variable, kind: char) -> String {
    match variable {
        Variable::Local(n) => format!("{kind}{n}"),
        Variable::Global => format!("{kind}g"),
    }
}

fn long(e: &Long) -> String {
    match e {
        Long::Number(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Long::Number(n) if *n < 0 => format!("({n})"),
        Long::Number(n) => n.to_string(),
        Long::Variable(v) => name(*v, 'l'),
        Long::Negate(e) => format!("(-({}))", long(e)),
        Long::BitNot(e) => format!("(~({}))", long(e)),
        Long::Not(e) => format!("(!({}))", long(e)),
        Long::Binary(o, a, b) => format!("({} {} {})", long(a), o.text(), long(b)),
        Long::Compare(o, a, b) => format!("({} {} {})", long(a), COMPARISONS[*o], long(b)),
        Long::CompareText(o, a, b) => {
            format!("({} {} {})", string(a), COMPARISONS[*o], string(b))
        }
        Long::Both(a, b) => format!("({} && {})", long(a), long(b)),
        Long::Either(a, b) => format!("({} || {})", long(a), long(b)),
        Long::Choose(c, a, b) => format!("({} ? {} : {})", long(c), long(a), long(b)),
        Long::Element(k) => format!("a[{}]", long(k)),
        Long::In(k) => format!("([{}] in a)", long(k)),
        Long::Length(t) => format!("strlen({})", string(t)),
        Long::Contains(t, n) => format!("isinstr({}, {})", string(t), string(n)),
        Long::Step { variable, up, before } => {
            let (step, name) = (if *up { "++" } else { "--" }, name(*variable, 'l'));
            if *before { format!("({step}{name})") } else { format!("({name}{step})") }
        }
        Long::Assign(v, o, e) => {
            format!("({} {}= {})", name(*v, 'l'), o.map_or("", Operator::text_of), long(e))
        }
        Long::Aggregate(n, k) => format!("@{}(s[{}])", AGGREGATES[*n], long(k)),
        Long::Call(l, t) => format!("f({}, {})", long(l), string(t)),
    }
}

impl Operator {
    /// For `op=`; there is no `>>>=`.
    fn text_of(self) -> &'static str {
        if self == Operator::ShiftRightUnsigned { ">>" } else { self.text() }
    }

    /// What `op=` does.
    pub(crate) fn of_assignment(self) -> Operator {
        if self == Operator::ShiftRightUnsigned { Operator::ShiftRight } else { self }
    }
}

fn string(e: &Text) -> String {
    match e {
        Text::Literal(text) => format!("\"{text}\""),
        Text::Variable(v) => name(*v, 's'),
        Text::Concatenate(a, b) => format!("({} . {})", string(a), string(b)),
        Text::Number(e) => format!("sprint({})", long(e)),
        Text::Choose(c, a, b) => format!("({} ? {} : {})", long(c), string(a), string(b)),
        Text::Part(t, from, length) => {
            format!("substr({}, {}, {})", string(t), long(from), long(length))
        }
        Text::Element(k) => format!("t[{}]", long(k)),
    }
}

fn statements(all: &[Statement], depth: usize, out: &mut String) {
    for statement in all {
        let indent = "  ".repeat(depth);
        let block = |all: &[Statement]| {
            let mut text = String::from("{\n");
            statements(all, depth + 1, &mut text);
            let _ = write!(text, "{indent}}}");
            text
        };
        let operator = |o: &Option<Operator>| o.map_or("", Operator::text_of);
        let text = match statement {
            Statement::AssignLong(v, o, e) => {
                format!("{} {}= {}", name(*v, 'l'), operator(o), long(e))
            }
            Statement::AssignText(v, e) => format!("{} = {}", name(*v, 's'), string(e)),
            Statement::Append(v, e) => format!("{} .= {}", name(*v, 's'), string(e)),
            Statement::SetElement(k, o, e) => {
                format!("a[{}] {}= {}", long(k), operator(o), long(e))
            }
            Statement::SetText(k, e) => format!("t[{}] = {}", long(k), string(e)),
            Statement::Delete(k) => format!("delete a[{}]", long(k)),
            Statement::Clear => "delete a".to_owned(),
            Statement::Accumulate(k, e) => format!("s[{}] <<< {}", long(k), long(e)),
            Statement::PrintLong(e) => format!("println({})", long(e)),
            Statement::PrintText(e) => format!("println({})", string(e)),
            Statement::If(c, then, otherwise) => {
                format!("if ({}) {} else {}", long(c), block(then), block(otherwise))
            }
            Statement::Repeat(n, rounds, body) => {
                format!("for (i{n} = 0; i{n} < {rounds}; i{n}++) {}", block(body))
            }
            Statement::Break(c) => format!("if ({}) break", long(c)),
            Statement::Foreach(sort, limit) => {
                let direction = |descending| if descending { "-" } else { "+" };
                let (by_key, by_value) = match *sort {
                    Sort::None => ("", ""),
                    Sort::Key { descending } => (direction(descending), ""),
                    Sort::Value { descending } => ("", direction(descending)),
                };
                let limit = limit.map_or(String::new(), |n| format!(" limit {n}"));
                format!("foreach (v = k{by_key} in a{by_value}{limit}) println(k, \":\", v)")
            }
            Statement::Try(body) => format!("try {} catch (m) {{ println(m) }}", block(body)),
        };
        let _ = writeln!(out, "{indent}{text};");
    }
}
