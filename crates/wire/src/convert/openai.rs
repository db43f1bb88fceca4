//! What chats and responses write alike.

use std::borrow::Cow;

use super::build::Build;
use super::fault::Fault;
use super::talk::{Talk, Tool, ToolChoice, fitting_id};

/// The longest id of an end user.
const USER_LETTERS_MAX: usize = 64;

/// `tools`, `parallel_tool_calls` and `tool_choice`, which are refused where there are no tools. `tool` writes one function, and `named` what names one in a choice.
pub(super) fn tools(
    talk: &Talk<'_>,
    json: &mut Build,
    tool: impl Fn(&Tool<'_>, &mut Build),
    named: impl Fn(&str, &mut Build),
) -> Result<(), Fault> {
    if talk.tools.is_empty() {
        return talk.choose_none();
    }
    json.key("tools").begin_array();
    talk.tools.iter().for_each(|one| tool(one, json));
    json.end_array();
    if let Some((_, parallel)) = talk.parallel {
        json.key("parallel_tool_calls").boolean(parallel);
    }
    match &talk.tool_choice {
        None => {}
        Some(ToolChoice::None) => json.texted("tool_choice", "none").done(),
        Some(ToolChoice::Auto) => json.texted("tool_choice", "auto").done(),
        Some(ToolChoice::Required) => json.texted("tool_choice", "required").done(),
        Some(ToolChoice::Named(name)) => {
            json.key("tool_choice").begin_object().texted("type", "function");
            named(name, json);
            json.end_object();
        }
    }
    Ok(())
}

/// The end user. One of more letters than are taken is cut, with a sum of the whole in its end.
pub(super) fn user(talk: &Talk<'_>, json: &mut Build) {
    if let Some(user) = &talk.user {
        let is_long = user.chars().count() > USER_LETTERS_MAX;
        json.texted("user", &if is_long { fitting_id(user, USER_LETTERS_MAX) } else { Cow::Borrowed(&**user) });
    }
}
