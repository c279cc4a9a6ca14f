#include "batch/openapi.hpp"

#include "batch/job_routes.hpp"
#include "batch/openapi_schemas.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

json::object content(std::string_view type, json::object schema) {
    json::object inner;
    inner["schema"] = std::move(schema);
    json::object out;
    out[type] = std::move(inner);
    return out;
}

json::object says(std::string_view description) {
    return {{"description", description}};
}

json::object says(std::string_view description, json::object body) {
    json::object out{{"description", description}};
    out["content"] = std::move(body);
    return out;
}

json::object response_ref(std::string_view name) {
    return {{"$ref", "#/components/responses/" + std::string(name)}};
}

json::object
parameter(std::string_view name, std::string_view in, bool required, std::string_view description) {
    return {
        {"name", name},
        {"in", in},
        {"required", required},
        {"description", description},
        {"schema", json::object{{"type", "string"}}}};
}

// What any request may be answered instead.
void add_errors(json::object& responses, const openapi_options& options, bool works) {
    if (options.keys)
        responses["401"] = response_ref("Unauthorized");
    if (!works)
        return;
    responses["400"] = response_ref("BadRequest");
    responses["408"] = response_ref("TooSlow");
    responses["413"] = response_ref("TooLarge");
    responses["415"] = response_ref("UnsupportedMedia");
    responses["422"] = response_ref("Unprocessable");
    responses["429"] = response_ref("TooMany");
    responses["500"] = response_ref("InternalError");
    responses["503"] = response_ref("Unavailable");
    responses["504"] = response_ref("TooLate");
}

json::object common_responses() {
    const auto error = [](std::string_view description) {
        return says(description, content("application/json", schema_ref("Error")));
    };
    return {
        {"BadRequest", error("The request can't be used; the message names the field.")},
        {"Unauthorized", error("A key is needed, or this one isn't known.")},
        {"NotFound", error("There is none, or no more.")},
        {"TooSlow", error("The body came too slowly.")},
        {"TooLarge", error("The body or a file in it is too large.")},
        {"UnsupportedMedia", error("The file is of a kind that isn't taken.")},
        {"Unprocessable",
         says(
             "The model can't work with these values.",
             content("application/json", schema_ref("ValidationError"))
         )},
        {"TooMany", error("Too many requests at once; Retry-After says when to come back.")},
        {"InternalError", error("The result could not be fetched or stored.")},
        {"Unavailable",
         error("Nobody could do it now; the message says who was asked. See Retry-After.")},
        {"TooLate", error("It took longer than a request may.")}};
}

// "textToImage"
std::string operation_id(std::string_view name) {
    std::string out;
    bool begin = false;
    for (const char c : name) {
        if (c == '-') {
            begin = true;
            continue;
        }
        out += begin && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        begin = false;
    }
    return out;
}

json::object request_body(const pipeline& kind) {
    const bool form = kind.body == body_kind::multipart;
    auto body =
        content(form ? "multipart/form-data" : "application/json", schema_ref(params_name(kind)));
    if (form) {
        json::object encoding;
        encoding[kind.file_field()] = json::object{
            {"contentType", kind.media == media_kind::audio ? "audio/*, video/*" : "image/*"}};
        body["multipart/form-data"].as_object()["encoding"] = std::move(encoding);
    }
    json::object out{{"required", true}};
    out["content"] = std::move(body);
    return out;
}

json::object pipeline_operation(const pipeline& kind, const openapi_options& options) {
    std::string description(kind.summary);
    if (kind.body == body_kind::multipart) {
        const auto most = kind.file_limit ? kind.file_limit : options.form_bytes;
        description += fmt::format(" The file may be up to {} MiB.", most >> 20);
    }
    auto good = content("application/json", schema_ref(reply_name(kind.reply)));
    if (kind.reply == reply_kind::completion) {
        description += " With \"stream\" the answer comes as server-sent events.";
        good["text/event-stream"] = json::object{
            {"schema", json::object{{"type", "string"}}},
            {"example", "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n"}};
    }
    json::object responses;
    responses["200"] = says("The result.", std::move(good));
    responses["202"] = json::object{
        {"description", "It is worked on; GET /jobs/{id} tells how it goes."},
        {"headers",
         json::object{
             {"Location",
              json::object{
                  {"description", "The job's address."},
                  {"schema", json::object{{"type", "string"}}}}}}},
        {"content", content("application/json", schema_ref("JobAccepted"))}};
    add_errors(responses, options, true);
    json::object out{
        {"operationId", operation_id(kind.name)},
        {"tags", json::array{"pipelines"}},
        {"summary", kind.title},
        {"description", description},
        {"parameters",
         json::array{
             parameter(
                 "Prefer", "header", false, "respond-async: answer at once with 202 and a job."
             ),
             parameter(
                 webhook_header,
                 "header",
                 false,
                 "With a job: the URL that is told when it is over."
             )}}};
    out["requestBody"] = request_body(kind);
    out["responses"] = std::move(responses);
    return out;
}

json::object operation(
    std::string_view id,
    std::string_view tag,
    std::string_view summary,
    json::object responses,
    json::array parameters = {}
) {
    json::object out{{"operationId", id}, {"tags", json::array{tag}}, {"summary", summary}};
    if (!parameters.empty())
        out["parameters"] = std::move(parameters);
    out["responses"] = std::move(responses);
    return out;
}

void add_jobs(json::object& paths, const openapi_options& options) {
    const auto id = [] {
        return json::array{parameter("id", "path", true, "As the 202 named it.")};
    };
    json::object shown;
    shown["200"] = says("The job as it is now.", content("application/json", schema_ref("Job")));
    shown["404"] = response_ref("NotFound");
    add_errors(shown, options, false);
    auto ended = shown;
    ended["409"] = says("It is over already.", content("application/json", schema_ref("Error")));
    json::object job;
    job["get"] = operation("getJob", "jobs", "How a job goes, and its result", shown, id());
    job["delete"] = operation("cancelJob", "jobs", "Ends a job", std::move(ended), id());
    paths["/jobs/{id}"] = std::move(job);

    json::object states;
    const auto state = content(
        "application/json",
        json::object{
            {"type", "object"},
            {"required", json::array{"status"}},
            {"properties",
             json::object{
                 {"status", json::object{{"type", "string"}}},
                 {"result", json::object{{"type", "object"}}}}}}
    );
    states["200"] = says("It is over: the result, or result.error.", state);
    states["202"] = says("It is worked on.", state);
    states["400"] = response_ref("BadRequest");
    add_errors(states, options, false);
    auto result = operation(
        "imageToVideoResult", "jobs", "The result of an image-to-video job", std::move(states)
    );
    result["requestBody"] = json::object{
        {"required", true},
        {"content",
         content(
             "application/json",
             json::object{
                 {"type", "object"},
                 {"required", json::array{"request_id"}},
                 {"properties", json::object{{"request_id", json::object{{"type", "string"}}}}}}
         )}};
    paths["/image-to-video/result"] = json::object{{"post", std::move(result)}};
}

void add_openai(json::object& paths, const openapi_options& options) {
    json::object responses;
    auto good = content("application/json", schema_ref("LLMResponse"));
    good["text/event-stream"] = json::object{{"schema", json::object{{"type", "string"}}}};
    responses["200"] = says("The answer, in OpenAI's shape.", std::move(good));
    add_errors(responses, options, true);
    auto chat = operation(
        "chatCompletions",
        "openai",
        "Continues a conversation, for clients of OpenAI",
        std::move(responses)
    );
    chat["requestBody"] = json::object{
        {"required", true}, {"content", content("application/json", schema_ref("LlmParams"))}};
    paths["/v1/chat/completions"] = json::object{{"post", std::move(chat)}};

    json::object listed;
    listed["200"] =
        says("The list.", content("application/json", json::object{{"type", "object"}}));
    add_errors(listed, options, false);
    paths["/v1/models"] = json::object{
        {"get", operation("openaiModels", "openai", "Models for conversations", listed)}};
    auto one = std::move(listed);
    one["404"] = says("Nobody offers it.");
    paths["/v1/models/{model}"] = json::object{
        {"get",
         operation(
             "openaiModel",
             "openai",
             "One of them",
             std::move(one),
             {parameter("model", "path", true, "Its name.")}
         )}};
}

void add_rest(json::object& paths, const openapi_options& options) {
    json::object listed;
    listed["200"] = says(
        "By pipeline and model: who offers it, warm or cold, at which price.",
        content("application/json", schema_ref("Models"))
    );
    add_errors(listed, options, false);
    paths["/models"] = json::object{
        {"get", operation("models", "gateway", "What is on offer", std::move(listed))}};

    const auto bytes =
        content("application/octet-stream", json::object{{"type", "string"}, {"format", "binary"}});
    json::object file;
    file["200"] = says("The file.", bytes);
    file["206"] = says("The part that Range asked for.", bytes);
    file["404"] = says("There is none, or no more.");
    file["416"] = says("The file has no such part.");
    auto served = operation(
        "resultFile",
        "results",
        "A file of a result",
        std::move(file),
        {parameter("id", "path", true, "As the answer's URL says."),
         parameter("name", "path", true, "As the answer's URL says.")}
    );
    served["security"] = json::array(); // the name is the secret
    paths["/stream/{id}/{name}"] = json::object{{"get", std::move(served)}};

    json::object alive;
    alive["200"] = says("The gateway runs.");
    auto healthy = operation("health", "gateway", "Whether the gateway runs", std::move(alive));
    healthy["security"] = json::array();
    paths["/healthz"] = json::object{{"get", std::move(healthy)}};
    json::object ready;
    ready["200"] = says("Somebody is there to do the work.");
    ready["503"] = says("Nobody is known.");
    auto readiness =
        operation("readiness", "gateway", "Whether requests can be answered", std::move(ready));
    readiness["security"] = json::array();
    paths["/readyz"] = json::object{{"get", std::move(readiness)}};
}

} // namespace

json::object openapi_document(const openapi_options& options) {
    json::object paths;
    for (const auto& kind : catalog()) {
        json::object methods;
        methods["post"] = pipeline_operation(kind, options);
        paths["/" + std::string(kind.name)] = std::move(methods);
    }
    add_jobs(paths, options);
    add_openai(paths, options);
    add_rest(paths, options);

    json::object components;
    components["schemas"] = all_schemas(options.rules);
    components["responses"] = common_responses();
    json::object out{
        {"openapi", "3.0.3"},
        {"info",
         json::object{
             {"title", "Rivulet"},
             {"version", RIVULET_VERSION},
             {"description", "The batch pipelines of this gateway."}}},
        {"servers", json::array{json::object{{"url", "/"}}}}};
    json::array tags;
    for (const std::string_view name : {"pipelines", "jobs", "results", "openai", "gateway"})
        tags.push_back(json::object{{"name", name}});
    out["tags"] = std::move(tags);
    if (options.keys) {
        components["securitySchemes"] =
            json::object{{"HTTPBearer", json::object{{"type", "http"}, {"scheme", "bearer"}}}};
        out["security"] = json::array{json::object{{"HTTPBearer", json::array()}}};
    }
    out["paths"] = std::move(paths);
    out["components"] = std::move(components);
    return out;
}

} // namespace rivulet::batch
