// The batch side of a gateway in one process: HTTP face, service, session manager and doubles of
// orchestrators on loopback. Limits are short enough for tests.
// Thread: the test's; calls block for at most some seconds.
#pragma once

#include "base/shards.hpp"
#include "batch/service.hpp"
#include "http/server.hpp"
#include "support/fake_batch_orchestrator.hpp"
#include "support/known_orchestrators.hpp"
#include "support/raw_http.hpp"
#include "support/scratch.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::test {

// A multipart/form-data body, part by part.
class form_text {
  public:
    form_text& value(std::string_view name, std::string_view text);
    form_text& file(
        std::string_view name,
        std::string_view bytes,
        std::string_view filename = "upload",
        std::string_view content_type = "application/octet-stream"
    );

    std::string body() const;    // with its end
    static std::string header(); // "Content-Type: …\r\n"

  private:
    std::string parts_;
};

// Silence: mono, 8 bits, 8000 samples a second.
std::string silent_wav(std::size_t seconds);

struct batch_rig_options {
    std::size_t orchestrators = 1;
    std::vector<std::string> others; // base URLs of further ones
    batch::service_options service;  // spool_folder is the rig's own unless named
    ingest::check_access check;

    batch_rig_options();
};

class batch_rig {
  public:
    explicit batch_rig(batch_rig_options options = batch_rig_options());
    explicit batch_rig(std::size_t orchestrators);
    ~batch_rig();

    // The first one is preferred.
    fake_batch_orchestrator& operator[](std::size_t i) { return *fakes_[i]; }

    // Requests that all of them got.
    std::size_t asked();

    std::uint16_t port() const { return port_; }

    raw_reply get(const std::string& path) { return ask(port_, request_text("GET", path)); }

    raw_reply post(const std::string& path, std::string_view json, std::string_view extra = {}) {
        return ask(port_, request_with_body("POST", path, json, extra));
    }

    raw_reply post(const std::string& path, const form_text& form, std::string_view extra = {});

    // A good request of a pipeline, with everything that it must have: "/llm" …
    std::string good_request(std::string_view pipeline, std::string_view extra = {});

    // Orchestrators that are left alone for a while, over all pools.
    std::vector<std::string> suspended();
    // Files in the folder of the uploads that somebody still holds, and visible ones.
    std::size_t spooled() const;

    known_orchestrators& known() { return *known_; }

    batch::service& service() { return *service_; }

    observe::metrics& metrics() { return known_->metrics(); }

    // What a metric without labels says; 0 when it is not there.
    double number(const std::string& metric);
    // Whether it says so soon.
    bool comes_to(const std::string& metric, double least, double most);

    bool comes_to(const std::string& metric, double value) {
        return comes_to(metric, value, value);
    }

    void stop();

  private:
    scratch folder_;
    std::vector<std::unique_ptr<fake_batch_orchestrator>> fakes_;
    shards shards_{2};
    std::unique_ptr<known_orchestrators> known_;
    std::unique_ptr<batch::service> service_;
    http::server front_;
    std::filesystem::path spool_folder_;
    std::uint16_t port_ = 0;
};

} // namespace rivulet::test
