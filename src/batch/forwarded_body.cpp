#include "batch/forwarded_body.hpp"

#include "http/multipart.hpp"

namespace rivulet::batch {

std::uint64_t forwarded_body::size() const {
    return before.size() + (file ? file->size() : 0) + after.size();
}

forwarded_body body_of(const request& from, const std::string& boundary) {
    forwarded_body out;
    if (from.kind->body == body_kind::json) {
        out.content_type = "application/json";
        out.before = forwarded_json(from);
        return out;
    }
    out.content_type = "multipart/form-data; boundary=" + boundary;
    if (from.file && from.file->content) {
        // A part without a file name is no file to an orchestrator.
        const auto& name = from.file->filename;
        out.before = http::form_file_head(
            boundary,
            from.kind->file_field(),
            name.empty() ? from.kind->file_field() : std::string_view(name),
            "application/octet-stream"
        );
        out.file = from.file->content;
        out.after = http::form_file_end;
    }
    for (const auto& [name, value] : forwarded_form(from))
        out.after += http::form_part(boundary, name, value);
    out.after += http::form_end(boundary);
    return out;
}

} // namespace rivulet::batch
