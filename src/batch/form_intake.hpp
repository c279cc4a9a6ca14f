// Sorts the parts of a form: text values of fields that the pipeline has, and its one file, whose
// bytes go into a spool as they come. What nobody knows is dropped unread; of a repeated field the
// first one counts (spec/batch.md 3.3).
// Thread: one; store() says when the disk is to be touched, which belongs off the shard.
#pragma once

#include "batch/request_reading.hpp"
#include "http/multipart.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rivulet::batch {

class form_intake {
  public:
    // `kind` and `limits` outlive it.
    form_intake(const pipeline& kind, const reading_limits& limits, std::string boundary);

    // After a failure nothing more may be fed.
    answer<void> feed(std::span<const std::uint8_t> piece);
    answer<void> finish();

    // Bytes of the file that the spool does not have yet. Take them, then write them to content().
    std::size_t pending() const { return pending_.size(); }

    std::vector<std::uint8_t> take_pending() { return std::exchange(pending_, {}); }

    const std::shared_ptr<spool>& content() const { return content_; }

    // Bytes that it holds in memory, those in content() among them.
    std::uint64_t memory() const;

    // After finish(), and when all is written.
    form_values take_values() { return std::move(values_); }

    std::optional<upload> take_file();

  private:
    enum class target { nothing, value, file };

    http::multipart_events events();
    outcome<void> begin(const http::part_head& head);
    outcome<void> data(std::span<const std::uint8_t> piece);
    answer<void> judged(const outcome<void>& went);

    const pipeline& kind_;
    const reading_limits& limits_;
    form_values values_;
    std::optional<upload> file_;
    std::shared_ptr<spool> content_;
    std::uint64_t file_bytes_ = 0, value_bytes_ = 0;
    std::vector<std::uint8_t> pending_;
    target target_ = target::nothing;
    std::optional<api_error> refusal_; // more exact than what the parser says
    http::multipart_parser parser_;
};

} // namespace rivulet::batch
