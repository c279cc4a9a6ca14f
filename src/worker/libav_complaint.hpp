// What libav says about a failure, in its own words: it returns "Invalid argument" and logs the
// reason. While one of these lives, the errors that libav logs on this thread are kept here instead
// of being printed.
// Thread: the one that made it; one at a time per thread.
#pragma once

#include <string>

namespace rivulet::worker {

// libav's chatter about single streams stays out of the log of the process. Idempotent.
void keep_libav_quiet();

class libav_complaint {
  public:
    libav_complaint();
    ~libav_complaint();
    libav_complaint(const libav_complaint&) = delete;
    libav_complaint& operator=(const libav_complaint&) = delete;

    // The first lines, joined; empty when libav said nothing.
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

} // namespace rivulet::worker
