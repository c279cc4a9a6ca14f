// A private pipeline of appsrc, some elements and appsink: buffers in, samples out as soon as they
// are done. No clock; push() never waits. Thread: make, push, end and destroy by the owner, one at
// a time; callbacks on the chain's own threads, none after the destructor. Owns: the elements and
// their threads; the destructor waits for them (milliseconds). Fails with: unsupported (an element
// is missing), media_error (they don't fit or don't start).
#pragma once

#include "base/error.hpp"
#include "media/access_unit.hpp"
#include "media/gst_ptr.hpp"

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace rivulet::element {

struct chain_events {
    std::function<void(GstSample*)> sample;
    std::function<void(const std::string&)> error;
    std::function<void()> ended; // after end(): all is out
};

class inner_chain {
  public:
    // Elements in order, floating or owned references; taken. A null one is a missing element.
    static outcome<std::unique_ptr<inner_chain>>
    make(std::vector<GstElement*> elements, chain_events events);
    ~inner_chain();
    inner_chain(const inner_chain&) = delete;
    inner_chain& operator=(const inner_chain&) = delete;

    // `caps` is borrowed; a change takes effect with this buffer.
    void push(media::gst_ptr<GstBuffer> buffer, GstCaps* caps);
    void end();
    std::size_t queued() const; // buffers that no element has taken yet

  private:
    struct shared;

    inner_chain() = default;

    media::gst_ptr<GstElement> pipeline_;
    media::gst_ptr<GstAppSrc> source_;
    media::gst_ptr<GstCaps> caps_;
    std::shared_ptr<shared> shared_;
};

// An element with some properties set from text; those that it does not have are left out. Null
// when there is no such element.
struct property_text {
    const char* name;
    std::string value;
};

GstElement* make_element(const std::string& factory, std::initializer_list<property_text> = {});
void set_property_text(GstElement* element, const property_text& property);
GstElement* make_caps_filter(const std::string& caps);

// Element factories of a kind (GST_ELEMENT_FACTORY_TYPE_…) with `caps` on the sink (or the source)
// side: by rank, hardware before software of equal rank; those without a rank are left out.
std::vector<std::string>
ranked_factories(GstElementFactoryListType kind, const char* caps, GstPadDirection side);

// The first of them that can be opened (a driver's element may exist without the device).
GstElement* first_that_opens(const std::vector<std::string>& factories);

// The bytes as a buffer, shared.
media::gst_ptr<GstBuffer> wrap(bytes data);

} // namespace rivulet::element
