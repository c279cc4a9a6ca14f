// Finds the model that a multipart form names while its bytes pass.
// Pure.
// Fails with: what http::multipart_parser fails with.
#pragma once

#include "http/multipart.hpp"

#include <span>
#include <string>

namespace rivulet::worker {

class model_in_form {
  public:
    explicit model_in_form(std::string boundary);
    model_in_form(const model_in_form&) = delete;
    model_in_form& operator=(const model_in_form&) = delete;

    outcome<void> feed(std::span<const std::uint8_t> piece) { return parser_.feed(piece); }

    outcome<void> finish() { return parser_.finish(); }

    // Empty when none was named.
    const std::string& model() const { return model_; }

  private:
    http::multipart_events events();

    std::string model_;
    bool inside_ = false;
    http::multipart_parser parser_;
};

} // namespace rivulet::worker
