#include "worker/model_in_form.hpp"

namespace rivulet::worker {

namespace {

constexpr std::size_t name_limit = 1'000; // bytes

} // namespace

model_in_form::model_in_form(std::string boundary)
    : parser_(std::move(boundary), http::multipart_limits(), events()) {}

http::multipart_events model_in_form::events() {
    http::multipart_events made;
    made.begin = [this](const http::part_head& head) -> outcome<void> {
        inside_ = model_.empty() && !head.has_filename &&
                  (head.name == "model_id" || head.name == "model");
        return {};
    };
    made.data = [this](std::span<const std::uint8_t> piece) -> outcome<void> {
        if (!inside_)
            return {};
        if (model_.size() + piece.size() > name_limit)
            return failure(errc::too_large, "the form's model has too long a name");
        model_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return {};
    };
    made.end = [this]() -> outcome<void> {
        inside_ = false;
        return {};
    };
    return made;
}

} // namespace rivulet::worker
