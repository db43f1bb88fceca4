//! What chats and responses write alike.

use super::build::Build;
use super::talk::{Talk, Tool, ToolChoice};

/// `tools`, `parallel_tool_calls` and `tool_choice`. `tool` writes one function, and `named` what names one in a choice.
pub(super) fn tools(
    talk: &Talk<'_>,
    json: &mut Build,
    tool: impl Fn(&Tool<'_>, &mut Build),
    named: impl Fn(&str, &mut Build),
) {
    if !talk.tools.is_empty() {
        json.key("tools").begin_array();
        talk.tools.iter().for_each(|one| tool(one, json));
        json.end_array();
        if let Some((_, parallel)) = talk.parallel {
            json.key("parallel_tool_calls").boolean(parallel);
        }
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
}
