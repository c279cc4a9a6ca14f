// Good requests for every row of the catalog.
#pragma once

#include "batch/request.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace rivulet::batch {

inline upload file_of(std::string_view bytes) {
    auto content = std::make_shared<spool>(spool_limits());
    (void)content->write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    upload out;
    out.filename = "a.bin";
    out.content_type = "application/octet-stream";
    out.content = std::move(content);
    return out;
}

// The least that a client of that pipeline has to say.
inline std::string least_json(const pipeline& kind) {
    if (kind.find("messages"))
        return R"({"messages":[{"role":"user","content":"hi"}]})";
    return kind.find("text") ? R"({"text":"hi"})" : R"({"prompt":"a cat"})";
}

inline form_values least_form(const pipeline& kind) {
    const auto* prompt = kind.find("prompt");
    return prompt && prompt->required ? form_values{{"prompt", "a cat"}} : form_values{};
}

inline answer<request> least_request(const pipeline& kind) {
    if (kind.body == body_kind::json)
        return parse_json(kind, least_json(kind));
    return parse_form(kind, least_form(kind), file_of("bytes"));
}

inline const pipeline& row(std::string_view name) {
    return *find_pipeline(name);
}

} // namespace rivulet::batch
