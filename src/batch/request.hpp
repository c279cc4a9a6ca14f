// A batch request, checked against its pipeline's row: known fields only, typed, with the defaults
// that the gateway writes. What was wrong is said before any orchestrator is asked
// (spec/batch.md 3, 4 and 6). Pure.
#pragma once

#include "batch/api_error.hpp"
#include "batch/byte_budget.hpp"
#include "batch/catalog.hpp"
#include "batch/spool.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::batch {

struct upload {
    std::string filename;     // as the client named it, at most 255 bytes; may be empty
    std::string content_type; // of the part; may be empty
    std::shared_ptr<const spool> content;

    upload() {}
};

// What looking at the file told.
struct media_facts {
    std::int64_t width = 0, height = 0; // of an image
    double seconds = 0;                 // of sound
    std::string format;                 // "png", "jpeg", "wav", …

    media_facts() {}
};

// What a request holds of what all requests share, as long as anybody needs it.
struct holding {
    byte_share memory, disk;

    holding() {}
};

struct request {
    const pipeline* kind = nullptr;
    std::string model;          // never empty
    boost::json::object fields; // in the row's order, the model among them; no file
    std::optional<upload> file;
    session::work_shape shape;
    bool stream = false;            // a conversation's answer is wanted in pieces
    std::uint64_t fields_bytes = 0; // of memory
    std::shared_ptr<holding> held;  // null: nobody counts

    request() {}

    std::int64_t units() const { return kind->units(shape); }
};

// What an operator may say differently from the rows.
struct request_rules {
    // By pipeline: the model of a request that names none.
    std::map<std::string, std::string, std::less<>> default_models;
    // By field name, in every pipeline that limits it: the largest number taken.
    std::map<std::string, double, std::less<>> highest;

    request_rules() {}
};

std::string_view default_model(const pipeline& kind, const request_rules& rules);
std::optional<double> highest(const field& of, const request_rules& rules);

// From a JSON body. The file-less pipelines only. Keys in any case, the last of a name counts, null
// is as if absent, unknown ones are dropped; what follows the object is ignored.
answer<request>
parse_json(const pipeline& kind, std::string_view body, const request_rules& rules = {});
// From values that are JSON already, under their exact names. The file-less pipelines only.
answer<request> make_request(
    const pipeline& kind, const boost::json::object& values, const request_rules& rules = {}
);

// From a form: text values in the order of arrival, and the file. The first of a name counts.
using form_values = std::vector<std::pair<std::string, std::string>>;
answer<request> parse_form(
    const pipeline& kind,
    const form_values& values,
    std::optional<upload> file,
    const request_rules& rules = {}
);

// Completes the request with what its file is: shape, and the fields that follow from it.
answer<void> take_media(request& to, const media_facts& facts);

// Why there is no room for them: others have it (503, come again), or it would not even do if there
// were no others (413).
api_error no_memory_for(std::uint64_t bytes, const byte_share& memory);
// Makes room for what parsing the JSON `text` takes; its own counts for that. Fails with 503, 413.
answer<void> make_room_to_parse(std::string_view text, byte_share& memory);
// From here on what the request itself takes is held, and no longer its text. Fails with 503, 413.
answer<void> settle_holding(request& of, std::shared_ptr<holding> held);

// The body that goes to the orchestrator. JSON pipelines.
std::string forwarded_json(const request& from);
// Multipart pipelines: the values behind the file, in the row's order, as text.
form_values forwarded_form(const request& from);

// Brings an orchestrator's good answer into its documented shape (`chunks` never null, …), or says
// what is wrong with it.
// Fails with: protocol_violation; `body` is of no use then.
outcome<void> check_reply(reply_kind kind, boost::json::object& body);

// A request as a job keeps it in its journal, without the file's content; and back. The record
// gives `file` its names when it has none.
boost::json::object to_record(const request& from);
outcome<request> from_record(const boost::json::object& record, std::optional<upload> file);

} // namespace rivulet::batch
