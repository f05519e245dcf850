// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel and its modules as one source of types.

use crate::btf::{Btf, BtfError, Kind};
use crate::dwarf::{Debug, DebugError, DebugFile};
use crate::function::Function;
use crate::ty::Type;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use vm_spec::relocation::Root;

/// Where BTF comes from.
pub trait Source {
    /// The BTF of the kernel, or of a module on top of it.
    ///
    /// # Errors
    /// Those of the file that should hold it.
    fn btf(&self, module: Option<&str>) -> std::io::Result<Vec<u8>>;

    /// What it is called in messages: a kernel's release or a path.
    fn name(&self) -> String;

    /// The subsystems of tracepoints, as far as they are known: types do not tell them.
    fn systems(&self) -> HashMap<String, String> {
        HashMap::new()
    }

    /// The debug symbols of the kernel or of a module.
    ///
    /// # Errors
    /// [`DebugError::Missing`] with what to do about it.
    fn debug(&self, module: Option<&str>) -> Result<DebugFile, DebugError> {
        let what = module.map_or_else(|| self.name(), |module| format!("module {module}"));
        Err(DebugError::Missing { what, advice: "nobody knows where they would be".to_owned() })
    }

    /// The index that was made of the symbols with this build id.
    fn index(&self, _build_id: &str) -> Option<Vec<u8>> {
        None
    }

    /// Keeps an index, if it can be kept.
    fn keep_index(&self, _build_id: &str, _index: &[u8]) {}
}

/// Why there are no types.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TypesError {
    /// The file cannot be read.
    #[error("no type information (BTF) of {what}: {reason}")]
    Unreadable {
        /// Of which kernel or module.
        what: String,
        /// Why.
        reason: String,
    },
    /// The file makes no sense.
    #[error("the type information (BTF) of {what} is damaged: {error}")]
    Damaged {
        /// Of which kernel or module.
        what: String,
        /// What is wrong.
        error: BtfError,
    },
}

/// Debug symbols, or why there are none.
type Opened = Result<Rc<Debug>, DebugError>;
/// A type with the build id of the symbols that it comes from.
type Learnt = (Type, String);

/// Types of a kernel and its modules, read when they are first asked for.
pub struct Types {
    source: Box<dyn Source>,
    kernel: OnceCell<Result<Arc<Btf>, TypesError>>,
    modules: RefCell<BTreeMap<String, Result<Arc<Btf>, TypesError>>>,
    debug: RefCell<BTreeMap<Option<String>, Opened>>,
    /// Types of what only debug symbols tell of, by module and root.
    symbols: RefCell<HashMap<(Option<String>, Root), Learnt>>,
    only_btf: Cell<bool>,
    systems: OnceCell<HashMap<String, String>>,
}

impl std::fmt::Debug for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Types").field("source", &self.source.name()).finish_non_exhaustive()
    }
}

impl Types {
    /// Nothing is read yet.
    pub fn new(source: Box<dyn Source>) -> Types {
        Types {
            source,
            kernel: OnceCell::new(),
            modules: RefCell::default(),
            debug: RefCell::default(),
            symbols: RefCell::default(),
            only_btf: Cell::new(false),
            systems: OnceCell::new(),
        }
    }

    /// From here on nobody is asked but BTF.
    pub fn ignore_symbols(&self) {
        self.only_btf.set(true);
    }

    /// The debug symbols of the kernel or of a module.
    ///
    /// # Errors
    /// [`DebugError`].
    pub fn debug(&self, module: Option<&str>) -> Opened {
        let key = module.map(str::to_owned);
        if let Some(known) = self.debug.borrow().get(&key) {
            return known.clone();
        }
        let opened = self.open_debug(module);
        self.debug.borrow_mut().insert(key, opened.clone());
        opened
    }

    fn open_debug(&self, module: Option<&str>) -> Opened {
        if self.only_btf.get() {
            let advice = "they are not asked where programs run".to_owned();
            return Err(DebugError::Missing { what: self.name(), advice });
        }
        let file = self.source.debug(module)?;
        // Without BTF, all types come from the symbols.
        let base = self.btf(None).ok();
        let (debug, fresh) = Debug::new(module, file, base, |id| self.source.index(id))?;
        if let Some(index) = fresh {
            self.source.keep_index(debug.build_id(), &index);
        }
        Ok(Rc::new(debug))
    }

    /// Notes what debug symbols tell of a root.
    pub fn learn(&self, module: Option<&str>, root: Root, ty: Type, build_id: &str) {
        let key = (module.map(str::to_owned), root);
        self.symbols.borrow_mut().insert(key, (ty, build_id.to_owned()));
    }

    /// The type of a root, with the build that it is of, if debug symbols told it.
    pub fn learnt(&self, module: Option<&str>, root: &Root) -> Option<Learnt> {
        let symbols = self.symbols.borrow();
        if symbols.is_empty() {
            return None;
        }
        symbols.get(&(module.map(str::to_owned), root.clone())).cloned()
    }

    /// The subsystem of a tracepoint, if it is known.
    pub fn system_of(&self, tracepoint: &str) -> Option<&str> {
        self.systems.get_or_init(|| self.source.systems()).get(tracepoint).map(String::as_str)
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        self.source.name()
    }

    /// The BTF of the kernel or of a module.
    ///
    /// # Errors
    /// [`TypesError`].
    pub fn btf(&self, module: Option<&str>) -> Result<Arc<Btf>, TypesError> {
        let Some(module) = module else {
            return self.kernel.get_or_init(|| self.read(None, None)).clone();
        };
        if let Some(known) = self.modules.borrow().get(module) {
            return known.clone();
        }
        let read = self.btf(None).and_then(|kernel| self.read(Some(module), Some(kernel)));
        self.modules.borrow_mut().insert(module.to_owned(), read.clone());
        read
    }

    fn read(&self, module: Option<&str>, base: Option<Arc<Btf>>) -> Result<Arc<Btf>, TypesError> {
        let what = || match module {
            Some(module) => format!("module {module} of {}", self.source.name()),
            None => self.source.name(),
        };
        let bytes = self
            .source
            .btf(module)
            .map_err(|error| TypesError::Unreadable { what: what(), reason: error.to_string() })?;
        let btf = Btf::new(bytes, base);
        btf.map(Arc::new).map_err(|error| TypesError::Damaged { what: what(), error })
    }

    /// A function's prototypes: several functions may have the same name, and then they
    /// need not take the same arguments.
    ///
    /// # Errors
    /// [`TypesError`].
    pub fn functions(&self, module: Option<&str>, name: &str) -> Result<Vec<Function>, TypesError> {
        let btf = self.btf(module)?;
        let mut prototypes: Vec<u32> = Vec::new();
        for id in btf.named(name) {
            if let Kind::Function(prototype) = btf.kind(id)
                && !prototypes.contains(&prototype)
            {
                prototypes.push(prototype);
            }
        }
        let mut found: Vec<Function> = Vec::new();
        for id in prototypes {
            let Some(mut function) = Function::new(&btf, id) else { continue };
            function.name_registers(name);
            if !found.contains(&function) {
                found.push(function);
            }
        }
        Ok(found)
    }

    /// The arguments of a tracepoint, without its private data pointer; `None` if no
    /// tracepoint has the name.
    ///
    /// # Errors
    /// [`TypesError`].
    pub fn tracepoint(
        &self,
        module: Option<&str>,
        name: &str,
    ) -> Result<Option<Function>, TypesError> {
        let without_data = |mut function: Function| {
            if !function.arguments.is_empty() {
                function.arguments.remove(0);
            }
            function
        };
        // The function that calls the probes has names; the type of the probes has not.
        let iterators = self.functions(module, &format!("__traceiter_{name}"))?;
        if let Some(function) = iterators.into_iter().next() {
            return Ok(Some(without_data(function)));
        }
        let btf = self.btf(module)?;
        let found = btf.named(&format!("btf_trace_{name}")).into_iter().find_map(|id| {
            let prototype = Type::new(Arc::clone(&btf), id).pointee()?;
            Function::new(&btf, prototype.id())
        });
        Ok(found.map(without_data))
    }

    /// The type that a script names: `task_struct`, `struct file`, `enum pid_type`,
    /// `unsigned int`, with `*` for each level of pointers behind it. Pointers are given
    /// as a count.
    ///
    /// # Errors
    /// [`TypesError`].
    pub fn named(
        &self,
        module: Option<&str>,
        text: &str,
    ) -> Result<Option<(Type, usize)>, TypesError> {
        let stars = text.chars().filter(|c| *c == '*').count();
        let words: Vec<&str> = text
            .trim_end_matches(['*', ' '])
            .split_whitespace()
            .filter(|word| !matches!(*word, "const" | "volatile"))
            .collect();
        let (wanted, name) = match words.split_first() {
            Some((&keyword @ ("struct" | "union" | "enum"), rest)) => {
                (Some(keyword), rest.join(" "))
            }
            _ => (None, words.join(" ")),
        };
        let by_symbols = |own: &Types| {
            let root = Root::Type(text.to_owned());
            own.told_by_symbols(module, root, |debug| debug.named(wanted, &name))
        };
        let btf = match self.btf(module) {
            Ok(btf) => btf,
            // A module without types of its own may have symbols.
            Err(error) => {
                return match by_symbols(self).filter(|_| module.is_some()) {
                    Some(ty) => Ok(Some((ty, stars))),
                    None => Err(error),
                };
            }
        };
        // Several types may have the name; a full one is better than a declaration, and
        // a typedef than what has to be asked for by a keyword.
        let rank = |id: &u32| {
            let rank = match (btf.kind(*id), wanted) {
                (Kind::Typedef(_) | Kind::Integer { .. }, None) => 0,
                (Kind::Composite { union: false, .. }, None | Some("struct")) => 1,
                (Kind::Composite { union: true, .. }, None | Some("union")) => 2,
                (Kind::Enum { .. }, None | Some("enum")) => 3,
                (Kind::Forward, _) => 4,
                _ => return None,
            };
            Some((rank, *id))
        };
        let best = btf.named(&name).iter().filter_map(rank).min();
        let found = best.map(|(_, id)| Type::new(Arc::clone(&btf), id));
        Ok(found.or_else(|| by_symbols(self)).map(|ty| (ty, stars)))
    }

    /// What debug symbols tell of a root, if they are there and do.
    fn told_by_symbols(
        &self,
        module: Option<&str>,
        root: Root,
        find: impl FnOnce(&Debug) -> Result<Option<Type>, DebugError>,
    ) -> Option<Type> {
        if let Some((known, _)) = self.learnt(module, &root) {
            return Some(known);
        }
        let debug = self.debug(module).ok()?;
        let found = find(&debug).ok()??;
        self.learn(module, root, found.clone(), debug.build_id());
        Some(found)
    }

    /// The same where several variables may have the name: the one of a file that is wanted.
    pub fn variable_of_file(
        &self,
        module: Option<&str>,
        name: &str,
        has_file: impl Fn(&str) -> bool,
    ) -> Option<Type> {
        let root = Root::Variable(name.to_owned());
        self.told_by_symbols(module, root, |debug| debug.variable_type(name, has_file))
    }

    /// The type of a global variable. BTF tells that of few, those of each CPU; debug symbols
    /// of all.
    ///
    /// # Errors
    /// [`TypesError`].
    pub fn variable(&self, module: Option<&str>, name: &str) -> Result<Option<Type>, TypesError> {
        let symbols = || self.variable_of_file(module, name, |_| true);
        let btf = match self.btf(module) {
            Ok(btf) => btf,
            Err(error) => return symbols().map(Some).ok_or(error),
        };
        let found = btf.named(name).into_iter().find_map(|id| match btf.kind(id) {
            Kind::Variable(ty) => Some(ty),
            _ => None,
        });
        Ok(found.map(|id| Type::new(Arc::clone(&btf), id)).or_else(symbols))
    }

    /// Names of all functions of the kernel or module, as they come.
    ///
    /// # Errors
    /// [`TypesError`].
    pub fn function_names(&self, module: Option<&str>) -> Result<Vec<String>, TypesError> {
        let btf = self.btf(module)?;
        let is_function = |id: &u32| btf.is_function(*id);
        Ok(btf.own_types().filter(is_function).map(|id| btf.name(id).to_owned()).collect())
    }
}
