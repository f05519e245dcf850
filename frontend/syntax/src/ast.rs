// SPDX-License-Identifier: GPL-2.0-or-later
//! The tree of a script.
//!
//! Parsing bounds its height ([`crate::parser::MAX_DEPTH`]), chains such as `a + b + c`
//! included, so passes may recurse.

use crate::source::Span;

/// Name of an [`ExpressionKind::At`] that stands for `%{ ... %}` in an expression.
pub const EMBEDDED_C: &str = "%{";

/// A name where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The text.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A file's items in their order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Script {
    /// Probes, aliases, globals, functions.
    pub items: Vec<Item>,
}

/// A declaration at the top level.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// `probe points { body }`.
    Probe(Probe),
    /// `probe name = points { body }`.
    Alias(Alias),
    /// One name of a `global` declaration.
    Global(Global),
    /// `function name(...) { body }`.
    Function(Function),
    /// `%{ ... %}` at the top level.
    EmbeddedC(Span),
}

/// A probe.
#[derive(Clone, PartialEq, Debug)]
pub struct Probe {
    /// Where it fires.
    pub points: Vec<ProbePoint>,
    /// What runs then.
    pub body: Block,
    /// The whole.
    pub span: Span,
}

/// Where an alias's body goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AliasKind {
    /// `=`: before the body of the probe that uses it.
    Prologue,
    /// `+=`: after it.
    Epilogue,
}

/// An alias.
#[derive(Clone, PartialEq, Debug)]
pub struct Alias {
    /// Its names; most often one.
    pub names: Vec<ProbePoint>,
    /// What it stands for.
    pub points: Vec<ProbePoint>,
    /// Where its body goes.
    pub kind: AliasKind,
    /// Its body.
    pub body: Block,
    /// The second body of `{ before }, { after }`: it goes after the body of the probe
    /// that uses the alias, whatever the kind says of the first one.
    pub epilogue: Option<Block>,
    /// Only for this file. SystemTap's grammar has no such alias: always false.
    pub private: bool,
    /// The whole.
    pub span: Span,
}

/// `name.name(argument).name ...`, brace alternatives already multiplied out.
#[derive(Clone, PartialEq, Debug)]
pub struct ProbePoint {
    /// Its parts.
    pub components: Vec<Component>,
    /// `?` or `!` behind it.
    pub presence: Presence,
    /// `if (condition)` behind it.
    pub condition: Option<Expression>,
    /// The whole.
    pub span: Span,
}

/// What happens if a probe point does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Presence {
    /// An error.
    #[default]
    Required,
    /// `?`: nothing.
    Optional,
    /// `!`: nothing; and if it exists, the points after it are not looked at.
    Sufficient,
}

/// A part of a probe point.
#[derive(Clone, PartialEq, Debug)]
pub struct Component {
    /// Its name; may hold `*`, `?`-less globs.
    pub name: Name,
    /// What stands in its parentheses.
    pub argument: Option<Literal>,
}

/// A number or a string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Literal {
    /// A number.
    Number(i64),
    /// A string, escapes resolved.
    Text(Vec<u8>),
}

/// A global.
#[derive(Clone, PartialEq, Debug)]
pub struct Global {
    /// Its name.
    pub name: Name,
    /// `= value`.
    pub initial: Option<(Literal, Span)>,
    /// `[size]`.
    pub size: Option<i64>,
    /// `%`: drops the oldest entry when full.
    pub wrap: bool,
    /// Only for this file.
    pub private: bool,
}

/// A declared type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// `long`.
    Long,
    /// `string`.
    Text,
}

/// A parameter.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// `:type`.
    pub kind: Option<Type>,
}

/// A function's body.
#[derive(Clone, PartialEq, Debug)]
pub enum FunctionBody {
    /// Statements.
    Script(Block),
    /// `%{ ... %}`.
    EmbeddedC(Span),
}

/// A function.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// `:type` before the parameters.
    pub returns: Option<Type>,
    /// `:N` behind the parameters: among overloads, lower ones first.
    pub priority: Option<i64>,
    /// Its body.
    pub body: FunctionBody,
    /// Only for this file.
    pub private: bool,
    /// The whole.
    pub span: Span,
}

/// `{ ... }`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Block {
    /// Its statements.
    pub statements: Vec<Statement>,
    /// With its braces.
    pub span: Span,
}

/// A statement.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// The whole.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Clone, PartialEq, Debug)]
pub enum StatementKind {
    /// `;`
    Empty,
    /// `{ ... }`
    Block(Block),
    /// An expression for its effect.
    Expression(Expression),
    /// `if (condition) then else otherwise`
    If {
        /// What is tested.
        condition: Expression,
        /// Done if it is not 0.
        then: Box<Statement>,
        /// Done if it is 0.
        otherwise: Option<Box<Statement>>,
    },
    /// `while (condition) body`
    While {
        /// What is tested.
        condition: Expression,
        /// Done while it is not 0.
        body: Box<Statement>,
    },
    /// `for (initial; condition; step) body`
    For {
        /// Done once.
        initial: Option<Expression>,
        /// What is tested; none means 1.
        condition: Option<Expression>,
        /// Done after each round.
        step: Option<Expression>,
        /// Done while the condition holds.
        body: Box<Statement>,
    },
    /// `foreach (value = [key, key] in array limit n) body`
    Foreach(Foreach),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `next`
    Next,
    /// `return value`
    Return(Option<Expression>),
    /// `delete target`
    Delete(Expression),
    /// `try { body } catch (message) { handler }`
    Try {
        /// What may fail.
        body: Block,
        /// The variable that takes the message.
        message: Option<Name>,
        /// What is done then.
        handler: Block,
    },
}

/// A direction of sorting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// `+`
    Ascending,
    /// `-`
    Descending,
}

/// What a foreach is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortBy {
    /// Key number n, from 0.
    Key(usize),
    /// The value: the mark stands behind the array or the value variable.
    Value,
    /// A number of the aggregate.
    Aggregate(Aggregate),
}

/// A foreach.
#[derive(Clone, PartialEq, Debug)]
pub struct Foreach {
    /// `value =` before the keys.
    pub value: Option<Name>,
    /// The key variables.
    pub keys: Vec<Name>,
    /// The array, or the histogram whose buckets are gone through.
    pub array: Expression,
    /// `array[slice, *]`: keys that must match; `None` stands for `*`.
    pub slice: Option<Vec<Option<Expression>>>,
    /// Sort mark.
    pub sort: Option<(SortBy, Direction)>,
    /// `limit n`.
    pub limit: Option<Expression>,
    /// Done for each entry.
    pub body: Box<Statement>,
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// The whole.
    pub span: Span,
    /// The token that errors are said to be near: the operator or the name.
    pub token: Span,
}

/// The kinds of expression.
#[derive(Clone, PartialEq, Debug)]
pub enum ExpressionKind {
    /// A number.
    Number(i64),
    /// A string, escapes resolved.
    Text(Vec<u8>),
    /// A variable.
    Variable(String),
    /// `array[key, key]`; `None` stands for `*`, only allowed in `delete` and `in`.
    Element {
        /// The array.
        array: Name,
        /// Its keys.
        keys: Vec<Option<Expression>>,
    },
    /// `name(arguments)`, printing functions as well.
    Call {
        /// The function.
        function: Name,
        /// Its arguments.
        arguments: Vec<Expression>,
    },
    /// `operator operand`
    Unary {
        /// Which.
        operator: UnaryOperator,
        /// On what.
        operand: Box<Expression>,
    },
    /// `left operator right`
    Binary {
        /// Which.
        operator: BinaryOperator,
        /// Left side.
        left: Box<Expression>,
        /// Right side.
        right: Box<Expression>,
    },
    /// `++target`, `target--` and so on.
    Step {
        /// Up or down.
        step: StepOperator,
        /// Before or behind.
        position: StepPosition,
        /// What is changed.
        target: Box<Expression>,
    },
    /// `target operator= value`; no operator for `=`.
    Assign {
        /// Of a compound assignment.
        operator: Option<BinaryOperator>,
        /// What is changed.
        target: Box<Expression>,
        /// To what.
        value: Box<Expression>,
    },
    /// `target <<< value`
    Accumulate {
        /// The aggregate.
        target: Box<Expression>,
        /// The value.
        value: Box<Expression>,
    },
    /// `condition ? then : otherwise`
    Ternary {
        /// What is tested.
        condition: Box<Expression>,
        /// If it is not 0.
        then: Box<Expression>,
        /// If it is 0.
        otherwise: Box<Expression>,
    },
    /// `left && right`, `left || right`
    Logical {
        /// Which.
        operator: LogicalOperator,
        /// Left side.
        left: Box<Expression>,
        /// Right side, evaluated only if it matters.
        right: Box<Expression>,
    },
    /// `[key, key] in array`
    In {
        /// The keys; `None` stands for `*`.
        keys: Vec<Option<Expression>>,
        /// The array.
        array: Name,
    },
    /// `left =~ "regex"`
    Match {
        /// The string.
        left: Box<Expression>,
        /// The expression.
        regex: Vec<u8>,
        /// `!~`.
        negated: bool,
    },
    /// `@count(target)` and so on.
    Aggregate {
        /// Which number.
        operation: Aggregate,
        /// Of what.
        target: Box<Expression>,
        /// Bit shift of the variance.
        shift: Option<i64>,
    },
    /// `@hist_log(target)`, `@hist_linear(target, low, high, step)`
    Histogram {
        /// Low, high and step of a linear one.
        linear: Option<[i64; 3]>,
        /// Of what.
        target: Box<Expression>,
    },
    /// `@hist_log(target)[bucket]`
    Bucket {
        /// The histogram.
        histogram: Box<Expression>,
        /// Which bucket.
        bucket: Box<Expression>,
    },
    /// `$name`, `$$name`, `@var("name")`, `@cast(...)` with what is selected of it.
    Target(TargetVariable),
    /// `@defined(expression)`
    Defined(Box<Expression>),
    /// `@entry(expression)`
    Entry(Box<Expression>),
    /// `@choose_defined(a, b)`
    ChooseDefined(Box<Expression>, Box<Expression>),
    /// `@perf("name")`
    Perf(Vec<u8>),
    /// What the compiler has made of a target variable; no parser makes it.
    Resolved {
        /// Which operation, in a table of the compiler.
        id: u32,
        /// On what.
        operands: Vec<Expression>,
    },
    /// `@const`, `@kderef`, `@uderef`, `@kregister`, `@uregister`, `@probewrite` and
    /// embedded C ([`EMBEDDED_C`]): the name and arguments.
    At {
        /// The word behind `@`.
        name: Name,
        /// Its arguments.
        arguments: Vec<Expression>,
    },
}

/// What a target variable begins with.
#[derive(Clone, PartialEq, Debug)]
pub enum TargetBase {
    /// `$name` or `$$name`, with its dollars.
    Name(String),
    /// `@var("name@file", "module")`
    Var {
        /// What and in which file.
        name: Vec<u8>,
        /// In which module.
        module: Option<Vec<u8>>,
    },
    /// `@cast(pointer, "type", "module")`
    Cast {
        /// Address.
        operand: Box<Expression>,
        /// Type.
        kind: Vec<u8>,
        /// Module or header.
        module: Option<Vec<u8>>,
    },
    /// `function()->member`: by the type that the function's result is known to have.
    Value(Box<Expression>),
}

/// A selection from a target variable.
#[derive(Clone, PartialEq, Debug)]
pub enum Selector {
    /// `->name`
    Member(Name),
    /// `[expression]`
    Index(Expression),
    /// `$` or `$$` behind it all: printed, this deep.
    Pretty(u8),
}

/// A variable of the probed program.
#[derive(Clone, PartialEq, Debug)]
pub struct TargetVariable {
    /// What it begins with.
    pub base: TargetBase,
    /// What is selected of it.
    pub selectors: Vec<Selector>,
    /// `&` before it.
    pub address_of: bool,
}

/// Numbers of an aggregate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aggregate {
    /// `@count`
    Count,
    /// `@sum`
    Sum,
    /// `@min`
    Min,
    /// `@max`
    Max,
    /// `@avg`
    Average,
    /// `@variance`
    Variance,
}

/// Operators before an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnaryOperator {
    /// `-`
    Negate,
    /// `+`
    Plus,
    /// `!`
    LogicalNot,
    /// `~`
    BitNot,
}

/// Operators between operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinaryOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `>>>`
    ShiftRightUnsigned,
    /// `.`
    Concatenate,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl BinaryOperator {
    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::BitAnd => "&",
            BinaryOperator::BitOr => "|",
            BinaryOperator::BitXor => "^",
            BinaryOperator::ShiftLeft => "<<",
            BinaryOperator::ShiftRight => ">>",
            BinaryOperator::ShiftRightUnsigned => ">>>",
            BinaryOperator::Concatenate => ".",
            BinaryOperator::Equal => "==",
            BinaryOperator::NotEqual => "!=",
            BinaryOperator::Less => "<",
            BinaryOperator::LessOrEqual => "<=",
            BinaryOperator::Greater => ">",
            BinaryOperator::GreaterOrEqual => ">=",
        }
    }
}

/// Operators that may skip their right side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogicalOperator {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// `++` or `--`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepOperator {
    /// `++`
    Increment,
    /// `--`
    Decrement,
}

/// Where `++` or `--` stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepPosition {
    /// Before: the value is the new one.
    Prefix,
    /// Behind: the value is the old one.
    Postfix,
}
