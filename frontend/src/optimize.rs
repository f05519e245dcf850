// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2, between elaboration and types: drops what has no effect, as SystemTap does,
//! and says so with its words.

pub(crate) mod uses;
