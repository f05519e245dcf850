// SPDX-License-Identifier: GPL-2.0-or-later
//! `$name->member[index]`, one selector after the other.
//!
//! A chain is a value at hand (an argument, a pointer that was loaded) or an object in
//! memory: an address, and the path from there that a relocation will turn into an
//! offset. Selecting a member only makes the path longer; going through a pointer loads
//! it, and the path goes on from what it points to.

use super::autocast::unknown;
use super::code::narrowed;
use super::operation::Operation;
use super::place::{Names, Place};
use super::{Problem, Resolver, types_problem};
use debuginfo::{Base, PathError, Shape, Walk};
use frontend_syntax::Span;
use frontend_syntax::ast::{
    BinaryOperator, Expression, ExpressionKind, Selector, TargetBase, TargetVariable,
};
use frontend_syntax::preprocess::glob;
use std::rc::Rc;
use vm_spec::ids::RelocationId;
use vm_spec::relocation::{Known, Path, Question, Relocation, Root, Step};

/// Where the thing is that a chain has come to.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// It is the value of the expression.
    AtHand(Expression),
    /// It is in memory; the path's offsets count from the expression's value.
    Memory(Expression),
    /// It is a struct in argument registers or in that of the result; the path tells which.
    Words,
}

/// The stack pointer's position in `struct pt_regs`.
const STACK_POINTER: u8 = 19;

/// A chain so far.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) value: Value,
    pub(super) path: Path,
    pub(super) at: Walk,
}

pub(super) fn binary(
    operator: BinaryOperator,
    left: Expression,
    right: Expression,
    span: Span,
) -> Expression {
    let (left, right) = (Box::new(left), Box::new(right));
    Expression { kind: ExpressionKind::Binary { operator, left, right }, span, token: span }
}

impl Resolver<'_> {
    /// A target variable as an expression of loads.
    pub(super) fn target(
        &mut self,
        e: &Expression,
        place: &mut Place,
    ) -> Result<Expression, Problem> {
        let ExpressionKind::Target(target) = &e.kind else { return Ok(e.clone()) };
        if Self::is_from_entry(&target.base, place) {
            return self.entry(e.clone(), e.token, place);
        }
        if let TargetBase::Name(name) = &target.base
            && let Some(bundle) = name.strip_prefix("$$")
        {
            return self.bundle(bundle, &target.selectors, e.token, place);
        }
        if let Some(address) = self.address_of_variable(target, place, e.token)? {
            return Ok(address);
        }
        if let Some(unknown) = self.unknown_member(target, e.token, place) {
            return unknown;
        }
        let mut chain = self.base(&target.base, e.token, place)?;
        let mut selectors = target.selectors.as_slice();
        let pretty = match selectors {
            [rest @ .., Selector::Pretty(depth)] => {
                selectors = rest;
                Some(*depth)
            }
            _ => None,
        };
        let mut end = e.token;
        if let [Selector::Index(index), rest @ ..] = selectors
            && is_cast(&target.base, &chain.at)
        {
            end = e.token.to(index.span);
            let mut index = index.clone();
            self.expression(&mut index, place);
            chain = self.index_cast(chain, index, end, place)?;
            selectors = rest;
        }
        for selector in selectors {
            // What is loaded on the way to it is what came before.
            let before = end;
            end = e.token.to(selector_span(selector, end));
            chain = self.select(chain, selector, before, end, place)?;
        }
        if let Some(depth) = pretty {
            if target.address_of {
                let message = "cannot take address of pretty-printed variable";
                return Err(Problem::new(message, end));
            }
            return self.pretty(chain, depth, end, place);
        }
        if target.address_of {
            self.address(chain, end, place)
        } else {
            self.value(chain, end, place)
        }
    }

    /// The number of a relocation in code that the place's guards lead to.
    pub(super) fn relocation(
        &mut self,
        question: Question,
        path: Path,
        place: &Place,
    ) -> RelocationId {
        let mut guards = place.guards.clone();
        guards.dedup();
        let mut relocation = Relocation { question, path, guards, known: None };
        relocation.known = self.known(&relocation);
        self.tables.relocation(relocation)
    }

    /// The answer, if only debug symbols know it.
    fn known(&self, relocation: &Relocation) -> Option<Known> {
        let (types, path) = (self.types?, &relocation.path);
        let (_, build_id) = types.learnt(path.module.as_deref(), &path.root)?;
        let answer = debuginfo::answer(types, relocation).ok()?;
        Some(Known { answer, build_id })
    }

    /// The path that a base stands for; `None` for an operand's own type.
    fn base_path(&self, base: &TargetBase, token: Span, place: &Place) -> Result<Path, Problem> {
        let (root, module) = match base {
            TargetBase::Name(name) => {
                let name = name.trim_start_matches('$');
                if let Names::Code(code) = &place.names {
                    let root = self.local_root(code, name, token)?;
                    return Ok(Path { root, module: code.module.clone(), steps: Vec::new() });
                }
                if let Names::ReturnOf(code) = &place.names {
                    let root = self.return_root(code, token)?;
                    return Ok(Path { root, module: code.module.clone(), steps: Vec::new() });
                }
                (self.named_root(name, token, place)?, place.module.clone())
            }
            TargetBase::Var { name, module } => {
                let name = String::from_utf8_lossy(name);
                let (name, file) = match name.split_once('@') {
                    Some((name, file)) => (name.to_owned(), Some(file)),
                    None => (name.into_owned(), None),
                };
                let module = module_of(module.as_deref()).next().or_else(|| place.module.clone());
                if let (Some(file), Some(types)) = (file, self.types) {
                    let pattern = format!("*/{file}");
                    let has_file = |path: &str| {
                        path == file || glob(pattern.as_bytes(), format!("/{path}").as_bytes())
                    };
                    // What it finds is known from here on.
                    let _ = types.variable_of_file(module.as_deref(), &name, has_file);
                }
                (Root::Variable(name), module)
            }
            TargetBase::Cast { kind, module, .. } => {
                let name = String::from_utf8_lossy(kind).into_owned();
                let module = self.module_with_type(&name, module.as_deref(), place, token)?;
                (Root::Type(name), module)
            }
            TargetBase::Value(value) => {
                return self.pointee(value, place).ok_or_else(|| unknown(token));
            }
        };
        Ok(Path { root, module, steps: Vec::new() })
    }

    fn named_root(&self, name: &str, token: Span, place: &Place) -> Result<Root, Problem> {
        let function = match &place.names {
            Names::Entry(function) | Names::Return(function) => function.clone(),
            Names::Trace(tracepoint) => {
                let (tracepoint, name) = (tracepoint.clone(), name.to_owned());
                return Ok(Root::TraceArgument { tracepoint, name });
            }
            Names::None | Names::Code(_) | Names::ReturnOf(_) => {
                return Err(Problem::new("unresolved target-symbol expression", token));
            }
        };
        Ok(match (&place.names, name) {
            (Names::Return(_), "return") => Root::Return { function },
            _ => Root::Parameter { function, name: name.to_owned() },
        })
    }

    /// The first of the modules that knows the type; the probed function's own and the kernel
    /// if none is named.
    fn module_with_type(
        &self,
        name: &str,
        modules: Option<&[u8]>,
        place: &Place,
        token: Span,
    ) -> Result<Option<String>, Problem> {
        let candidates: Vec<Option<String>> = match modules {
            Some(text) => String::from_utf8_lossy(text).split(':').map(one_module).collect(),
            None => vec![place.module.clone(), None],
        };
        let types = self.types(token)?;
        for module in &candidates {
            if matches!(types.named(module.as_deref(), name), Ok(Some(_))) {
                return Ok(module.clone());
            }
        }
        Ok(candidates.into_iter().next().flatten())
    }

    /// Walks to the end of a path on the kernel at hand.
    fn walk(&self, path: &Path, token: Span) -> Result<Walk, Problem> {
        let types = self.types(token)?;
        debuginfo::walk(types, path).map_err(|error| problem(&error, token))
    }

    fn base(
        &mut self,
        base: &TargetBase,
        token: Span,
        place: &mut Place,
    ) -> Result<Chain, Problem> {
        let path = self.base_path(base, token, place)?;
        let at = self.walk(&path, token)?;
        if let (Names::Code(code), Root::Local { name, .. }) = (&place.names, &path.root) {
            let (code, name) = (Rc::clone(code), name.clone());
            return self.local_chain(&code, path, &name, token, place);
        }
        let value = match base {
            TargetBase::Name(_) => match at.base {
                Base::Stack => {
                    Value::Memory(self.operation(Operation::Register(STACK_POINTER), vec![], token))
                }
                _ if matches!(at.ty.shape(), Shape::Composite { .. }) => Value::Words,
                _ => {
                    let word = self.relocation(Question::Word, path.clone(), place);
                    Value::AtHand(self.operation(Operation::Word(word), Vec::new(), token))
                }
            },
            TargetBase::Var { .. } => {
                let address = self.relocation(Question::Address, path.clone(), place);
                Value::Memory(self.operation(Operation::Slot(address), Vec::new(), token))
            }
            TargetBase::Cast { operand, .. } | TargetBase::Value(operand) => {
                let mut operand = (**operand).clone();
                self.expression(&mut operand, place);
                Value::Memory(operand)
            }
        };
        Ok(Chain { value, path, at })
    }

    /// `&@var("name")`, for which no type is needed.
    fn address_of_variable(
        &mut self,
        target: &TargetVariable,
        place: &Place,
        token: Span,
    ) -> Result<Option<Expression>, Problem> {
        if !target.address_of
            || !target.selectors.is_empty()
            || !matches!(target.base, TargetBase::Var { .. })
        {
            return Ok(None);
        }
        let path = self.base_path(&target.base, token, place)?;
        let address = self.relocation(Question::Address, path, place);
        Ok(Some(self.operation(Operation::Slot(address), Vec::new(), token)))
    }

    fn step(&self, chain: Chain, step: Step, token: Span) -> Result<Chain, Problem> {
        let at = chain.at.step(&step).map_err(|error| problem(&error, token))?;
        let mut path = chain.path;
        path.steps.push(step);
        Ok(Chain { value: chain.value, path, at })
    }

    /// Goes to what a pointer points to.
    pub(super) fn dereference(
        &mut self,
        chain: Chain,
        token: Span,
        place: &Place,
    ) -> Result<Chain, Problem> {
        let pointer = self.value(chain.clone(), token, place)?;
        let chain = self.step(chain, Step::Dereference, token)?;
        Ok(Chain { value: Value::Memory(pointer), ..chain })
    }

    fn select(
        &mut self,
        mut chain: Chain,
        selector: &Selector,
        before: Span,
        end: Span,
        place: &mut Place,
    ) -> Result<Chain, Problem> {
        match selector {
            Selector::Member(name) => {
                let mut depth = 0;
                while chain.at.ty.shape() == Shape::Pointer && depth < 8 {
                    chain = self.dereference(chain, before, place)?;
                    depth += 1;
                }
                self.step(chain, Step::Member(name.text.clone()), name.span)
            }
            Selector::Index(index) => {
                let mut index = index.clone();
                self.expression(&mut index, place);
                self.index(chain, index, end, place)
            }
            Selector::Pretty(_) => {
                Err(Problem::new("only the end of an expression can be printed whole", end))
            }
        }
    }

    fn index(
        &mut self,
        chain: Chain,
        index: Expression,
        token: Span,
        place: &Place,
    ) -> Result<Chain, Problem> {
        let fixed = match index.kind {
            ExpressionKind::Number(n) => u64::try_from(n).ok(),
            _ => None,
        };
        match (chain.at.ty.shape(), fixed) {
            (Shape::Array { .. }, Some(n)) => self.step(chain, Step::Element(n), token),
            (Shape::Array { .. }, None) => {
                let start = self.address(chain.clone(), token, place)?;
                let chain = self.step(chain, Step::AnyElement, token)?;
                self.scaled(chain, start, index, token, place)
            }
            (Shape::Pointer, Some(0)) => self.dereference(chain, token, place),
            (Shape::Pointer, _) => {
                let start = self.value(chain.clone(), token, place)?;
                let chain = self.step(chain, Step::Dereference, token)?;
                self.scaled(chain, start, index, token, place)
            }
            _ => {
                let what = fixed.map_or(String::new(), |n| n.to_string());
                let ty = chain.at.ty.text();
                Err(Problem::new(format!("invalid access '[{what}]' vs. {ty}"), token))
            }
        }
    }

    /// `@cast(pointer, "type")[index]`: what is cast is a pointer to the type.
    fn index_cast(
        &mut self,
        chain: Chain,
        index: Expression,
        token: Span,
        place: &Place,
    ) -> Result<Chain, Problem> {
        let (Value::Memory(start) | Value::AtHand(start)) = chain.value.clone() else {
            return Err(in_register(token));
        };
        if matches!(index.kind, ExpressionKind::Number(0)) {
            return Ok(chain);
        }
        self.scaled(chain, start, index, token, place)
    }

    /// Element `index` of those that begin at `start`; the chain is at one of them.
    fn scaled(
        &mut self,
        chain: Chain,
        start: Expression,
        index: Expression,
        token: Span,
        place: &Place,
    ) -> Result<Chain, Problem> {
        if chain.at.ty.size().is_none() {
            let message = format!("the size of {} is not known", chain.at.ty.text());
            return Err(Problem::new(message, token));
        }
        let size = self.relocation(Question::Size, chain.path.clone(), place);
        let size = self.operation(Operation::Slot(size), Vec::new(), token);
        let distance = binary(BinaryOperator::Multiply, index, size, token);
        let address = binary(BinaryOperator::Add, start, distance, token);
        Ok(Chain { value: Value::Memory(address), ..chain })
    }

    /// The address of what a chain has come to.
    pub(super) fn address(
        &mut self,
        chain: Chain,
        token: Span,
        place: &Place,
    ) -> Result<Expression, Problem> {
        if chain.at.bit_size > 0 {
            return Err(Problem::new("cannot take the address of a bit field", token));
        }
        let address = match chain.value {
            Value::AtHand(_) | Value::Words => return Err(in_register(token)),
            Value::Memory(address) => address,
        };
        let moves = match chain.path.steps.last() {
            Some(step) => matches!(step, Step::Member(_) | Step::Element(_)),
            None => chain.at.base == Base::Stack,
        };
        if !moves {
            return Ok(address);
        }
        let offset = self.relocation(Question::Offset, chain.path, place);
        let offset = self.operation(Operation::Slot(offset), Vec::new(), token);
        Ok(binary(BinaryOperator::Add, address, offset, token))
    }

    /// The value of what a chain has come to: a number, or the address of an array.
    pub(super) fn value(
        &mut self,
        chain: Chain,
        token: Span,
        place: &Place,
    ) -> Result<Expression, Problem> {
        let shape = chain.at.ty.shape();
        match shape {
            Shape::Integer { .. } | Shape::Enum { .. } | Shape::Pointer => {}
            Shape::Array { .. } | Shape::Function if matches!(chain.value, Value::Memory(_)) => {
                return self.address(chain, token, place);
            }
            Shape::Composite { .. } => return Err(accessed_whole(&chain, token)),
            _ => {
                let message = format!("cannot read a value of type {}", chain.at.ty.text());
                return Err(Problem::new(message, token));
            }
        }
        let address = match chain.value {
            // A member of a struct in a register.
            Value::AtHand(value) if !chain.path.steps.is_empty() => {
                let Walk { ty, bit_offset, bit_size, .. } = &chain.at;
                return Ok(narrowed(value, ty, *bit_offset, *bit_size, token));
            }
            Value::AtHand(value) => return Ok(value),
            Value::Words => return Ok(self.within_words(chain, token, place)),
            Value::Memory(address) => address,
        };
        if chain.at.bit_size == 0 {
            let load = self.relocation(Question::Load, chain.path, place);
            return Ok(self.operation(Operation::Load(load), vec![address], token));
        }
        let unit = self.relocation(Question::BitUnit, chain.path.clone(), place);
        let above = self.relocation(Question::BitsAbove, chain.path.clone(), place);
        let below = self.relocation(Question::BitsBelow, chain.path, place);
        let bits = Operation::Bits { unit, above, below, signed: chain.at.ty.is_signed() };
        Ok(self.operation(bits, vec![address], token))
    }

    /// A number in a struct in registers.
    fn within_words(&mut self, chain: Chain, token: Span, place: &Place) -> Expression {
        let signed = chain.at.ty.is_signed();
        let word = self.relocation(Question::Word, chain.path.clone(), place);
        let above = self.relocation(Question::BitsAbove, chain.path.clone(), place);
        let below = self.relocation(Question::BitsBelow, chain.path, place);
        let word = self.operation(Operation::Word(word), Vec::new(), token);
        let above = self.operation(Operation::Slot(above), Vec::new(), token);
        let below = self.operation(Operation::Slot(below), Vec::new(), token);
        let down = match signed {
            true => BinaryOperator::ShiftRight,
            false => BinaryOperator::ShiftRightUnsigned,
        };
        let up = binary(BinaryOperator::ShiftLeft, word, above, token);
        binary(down, up, below, token)
    }

    /// The path that `@defined` asks about; `Ok(None)` if there is nothing to ask.
    pub(super) fn existence(
        &self,
        target: &TargetVariable,
        place: &Place,
    ) -> Result<Option<Path>, Problem> {
        let token = Span::default();
        if let TargetBase::Name(name) = &target.base
            && name.starts_with("$$")
        {
            let exists = match place.names {
                Names::None => false,
                _ => name != "$$return" || place.at_entry().is_some(),
            };
            let missing = || Problem::new("unresolved target-symbol expression", token);
            return if exists { Ok(None) } else { Err(missing()) };
        }
        if target.address_of
            && target.selectors.is_empty()
            && matches!(target.base, TargetBase::Var { .. })
        {
            return Ok(Some(self.base_path(&target.base, token, place)?));
        }
        let mut path = self.base_path(&target.base, token, place)?;
        let mut at = self.walk(&path, token)?;
        let mut step = |at: Walk, step: Step| {
            let next = at.step(&step).map_err(|error| problem(&error, token))?;
            path.steps.push(step);
            Ok(next)
        };
        for (n, selector) in target.selectors.iter().enumerate() {
            let last = n + 1 == target.selectors.len();
            match selector {
                Selector::Member(name) => {
                    while at.ty.shape() == Shape::Pointer {
                        at = step(at, Step::Dereference)?;
                    }
                    let member = Step::Member(name.text.clone());
                    // A struct of another kernel may have it.
                    let composite = matches!(at.ty.complete().shape(), Shape::Composite { .. });
                    if last && composite && at.step(&member).is_err() {
                        path.steps.push(member);
                        return Ok(Some(path));
                    }
                    at = step(at, member)?;
                }
                Selector::Index(_) if n == 0 && is_cast(&target.base, &at) => {}
                Selector::Index(_) => {
                    let pointer = at.ty.shape() == Shape::Pointer;
                    let way = if pointer { Step::Dereference } else { Step::AnyElement };
                    at = step(at, way)?;
                }
                Selector::Pretty(_) => {}
            }
        }
        Ok(Some(path))
    }

    /// A member that the kernel at hand does not have, where code is only reached if
    /// the kernel that the program runs on has it: a number of whatever width it has.
    fn unknown_member(
        &mut self,
        target: &TargetVariable,
        token: Span,
        place: &mut Place,
    ) -> Option<Result<Expression, Problem>> {
        let (Selector::Member(name), selectors) = target.selectors.split_last()? else {
            return None;
        };
        let path = self.existence(target, place).ok().flatten()?;
        let types = self.types?;
        if debuginfo::walk(types, &path).is_ok() {
            return None;
        }
        let is_path = |guard: &vm_spec::relocation::Guard| {
            let asked = self.tables.relocations.get(guard.relocation as usize);
            guard.exists && asked.is_some_and(|asked| asked.path == path)
        };
        if !place.guards.iter().any(is_path) {
            return None;
        }
        let end = token.to(name.span);
        let known = TargetVariable { selectors: selectors.to_vec(), ..target.clone() };
        Some(self.load_unknown(&known, path, token, end, place))
    }

    fn load_unknown(
        &mut self,
        known: &TargetVariable,
        path: Path,
        token: Span,
        end: Span,
        place: &mut Place,
    ) -> Result<Expression, Problem> {
        let mut chain = self.base(&known.base, token, place)?;
        for selector in &known.selectors {
            chain = self.select(chain, selector, token, end, place)?;
        }
        while chain.at.ty.shape() == Shape::Pointer {
            chain = self.dereference(chain, end, place)?;
        }
        let Value::Memory(address) = chain.value else {
            return Err(in_register(end));
        };
        let question = if known.address_of { Question::Offset } else { Question::Load };
        let relocation = self.relocation(question.clone(), path, place);
        if question == Question::Load {
            return Ok(self.operation(Operation::Load(relocation), vec![address], end));
        }
        let offset = self.operation(Operation::Slot(relocation), Vec::new(), end);
        Ok(binary(BinaryOperator::Add, address, offset, end))
    }
}

/// Does an index count things of the type that a pointer is cast to?
fn is_cast(base: &TargetBase, at: &Walk) -> bool {
    matches!(base, TargetBase::Cast { .. }) && !matches!(at.ty.shape(), Shape::Array { .. })
}

fn in_register(token: Span) -> Problem {
    Problem::new("cannot take address of object in register", token)
}

fn accessed_whole(chain: &Chain, token: Span) -> Problem {
    let member = chain.at.ty.member_names().into_iter().next();
    let such = member.map_or(String::new(), |name| format!(" such as '->{name}'"));
    let ty = chain.at.ty.bare().text();
    Problem::new(format!("'{ty}' is being accessed instead of a member{such}"), token)
}

fn selector_span(selector: &Selector, before: Span) -> Span {
    match selector {
        Selector::Member(name) => name.span,
        Selector::Index(index) => index.span,
        Selector::Pretty(_) => before,
    }
}

/// `kernel`, `module`, `<header.h>` and `kernel<header.h>` as the module that is meant.
fn one_module(text: &str) -> Option<String> {
    let name = text.split('<').next().unwrap_or_default().trim();
    (!name.is_empty() && name != "kernel").then(|| name.replace('-', "_"))
}

fn module_of(modules: Option<&[u8]>) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(modules.unwrap_or_default()).into_owned();
    text.split(':').filter_map(one_module).collect::<Vec<_>>().into_iter()
}

fn problem(error: &PathError, token: Span) -> Problem {
    match error {
        PathError::Types(error) => types_problem(error, token),
        PathError::NotComposite { name, ty } => {
            Problem::new(format!("invalid access '->{name}' vs. {ty}"), token)
        }
        error => Problem::new(error.to_string(), token),
    }
}
