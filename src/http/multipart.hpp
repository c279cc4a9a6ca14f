// Reads multipart/form-data piece by piece (RFC 7578): headers of a part, its bytes, its end, with
// limits that hold before anything is stored. Pure.
// Fails with: protocol_violation (framing), too_large, too_many; the text is for the client.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace rivulet::http {

struct part_head {
    std::string name;
    std::string filename; // decoded; the last path component
    bool has_filename = false;
    std::string content_type;

    part_head() {}
};

// What they return ends the parsing when it is a failure. A part that is no form field (without a
// name) is announced, too.
struct multipart_events {
    std::function<outcome<void>(const part_head&)> begin;
    std::function<outcome<void>(std::span<const std::uint8_t>)> data;
    std::function<outcome<void>()> end;

    multipart_events() {}
};

struct multipart_limits {
    std::size_t parts = 100;
    std::size_t header_bytes = 8 * 1024; // of one part

    multipart_limits() {}
};

// "multipart/form-data; boundary=…" → its boundary. Fails with invalid_argument and spec
// batch.md 3.3's texts.
outcome<std::string> multipart_boundary(std::string_view content_type);

class multipart_parser {
  public:
    multipart_parser(std::string boundary, multipart_limits limits, multipart_events events);
    ~multipart_parser();

    // Data is handed on as it comes; a failure stays.
    outcome<void> feed(std::span<const std::uint8_t> piece);
    // The body has ended; fails when the last boundary was not seen.
    outcome<void> finish();

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

// The framing of a form that is written in pieces: text parts, and a file part's head, which the
// file's bytes and form_file_end follow.
inline constexpr std::string_view form_file_end = "\r\n";
std::string form_part(std::string_view boundary, std::string_view name, std::string_view value);
std::string form_file_head(
    std::string_view boundary,
    std::string_view name,
    std::string_view filename,
    std::string_view content_type
);
std::string form_end(std::string_view boundary);

} // namespace rivulet::http
