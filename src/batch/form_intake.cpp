#include "batch/form_intake.hpp"

#include <algorithm>

namespace rivulet::batch {
namespace {

http::multipart_limits part_limits(const reading_limits& limits) {
    http::multipart_limits out;
    out.parts = limits.parts;
    return out;
}

spool_limits file_limits(const reading_limits& limits) {
    spool_limits out;
    out.most = limits.form_bytes;
    out.folder = limits.spool_folder;
    return out;
}

api_error field_error(http::status status, std::string_view field, std::string_view what) {
    api_error out(status, std::string(field) + ": " + std::string(what));
    out.field = field;
    return out;
}

} // namespace

form_intake::form_intake(const pipeline& kind, const reading_limits& limits, std::string boundary)
    : kind_(kind), limits_(limits), parser_(std::move(boundary), part_limits(limits), events()) {}

http::multipart_events form_intake::events() {
    http::multipart_events out;
    out.begin = [this](const http::part_head& head) { return begin(head); };
    out.data = [this](std::span<const std::uint8_t> piece) { return data(piece); };
    out.end = [] { return outcome<void>(); };
    return out;
}

// A file without a name is known by its type; a text value may carry a type, too.
outcome<void> form_intake::begin(const http::part_head& head) {
    target_ = target::nothing;
    const bool file_like = head.has_filename || !head.content_type.empty();
    const auto* known = kind_.find(head.name);
    if (!known)
        return {};
    if (known->kind == field_kind::file) {
        if (!file_like || file_)
            return {};
        file_.emplace();
        file_->filename = head.filename.substr(0, 255);
        file_->content_type = head.content_type;
        content_ = std::make_shared<spool>(file_limits(limits_));
        target_ = target::file;
        return {};
    }
    const bool repeated = std::any_of(values_.begin(), values_.end(), [&](const auto& each) {
        return each.first == head.name;
    });
    if (head.has_filename || repeated)
        return {};
    values_.emplace_back(head.name, std::string());
    value_bytes_ += head.name.size() + sizeof(values_.front());
    target_ = target::value;
    return {};
}

outcome<void> form_intake::data(std::span<const std::uint8_t> piece) {
    if (target_ == target::file) {
        file_bytes_ += piece.size();
        if (kind_.file_limit != 0 && file_bytes_ > kind_.file_limit) {
            refusal_ = field_error(
                http::status::payload_too_large,
                kind_.file_field(),
                "the file is larger than " + std::to_string(kind_.file_limit >> 20) + " MiB"
            );
            return failure(errc::too_large, refusal_->message);
        }
        pending_.insert(pending_.end(), piece.begin(), piece.end());
    } else if (target_ == target::value) {
        auto& [name, value] = values_.back();
        if (value.size() + piece.size() > limits_.value_bytes) {
            refusal_ = field_error(
                http::status::payload_too_large,
                name,
                "the value is larger than " + std::to_string(limits_.value_bytes) + " bytes"
            );
            return failure(errc::too_large, refusal_->message);
        }
        value.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        value_bytes_ += piece.size();
    }
    return {};
}

answer<void> form_intake::judged(const outcome<void>& went) {
    if (went)
        return {};
    if (refusal_)
        return *refusal_;
    return api_error(http::status::bad_request, went.error().detail);
}

answer<void> form_intake::feed(std::span<const std::uint8_t> piece) {
    return judged(parser_.feed(piece));
}

answer<void> form_intake::finish() {
    return judged(parser_.finish());
}

std::uint64_t form_intake::memory() const {
    const auto stored = content_ ? content_->view() : std::nullopt;
    return value_bytes_ + pending_.capacity() + (stored ? stored->size() : 0);
}

// An empty file is as good as none.
std::optional<upload> form_intake::take_file() {
    if (!file_ || file_bytes_ == 0)
        return std::nullopt;
    file_->content = std::move(content_);
    return std::move(file_);
}

} // namespace rivulet::batch
