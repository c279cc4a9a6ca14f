#include "batch/field_value.hpp"
#include "batch/request_steps.hpp"

namespace rivulet::batch {

answer<request> parse_form(
    const pipeline& kind,
    const form_values& values,
    std::optional<upload> file,
    const request_rules& rules
) {
    boost::json::object kept;
    for (const auto& [name, text] : values) {
        const auto* field = kind.find(name);
        // A file that came as plain text counts as absent.
        if (!field || field->kind == field_kind::file || field->own || kept.contains(name))
            continue;
        auto checked = check_text(*field, text, highest(*field, rules));
        if (!checked)
            return checked.error();
        kept[name] = std::move(*checked);
    }
    return complete_request(kind, std::move(kept), std::move(file), rules);
}

} // namespace rivulet::batch
