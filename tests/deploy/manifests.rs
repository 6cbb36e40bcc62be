//! YAML as JSON values, and as much of kustomize as the shipped overlays use: resources, components, JSON patches and maps
//! made of files.
//!
//! Refused with a panic: whatever else stands in a kustomization. What kustomize itself makes of them, `.ci/run` asks it.

use std::fs;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// A file or folder of the repository.
pub(crate) fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file's text.
pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every YAML file below a folder.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The only document of a text.
pub(crate) fn document(text: &str) -> Value {
    let mut parser = Parser::new_from_str(text);
    let mut root = None;
    while let Some(event) = parser.next_event() {
        let (event, _) = event.unwrap_or_else(|error| panic!("{error}:\n{text}"));
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamEnd | Event::Nothing => {}
            event => {
                assert!(root.is_none(), "one document:\n{text}");
                root = Some(node(&mut parser, event));
            }
        }
    }
    root.expect("a document")
}

fn next<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Event<'a> {
    parser.next_event().expect("an event").expect("YAML").0
}

fn node<'a>(parser: &mut Parser<'a, StrInput<'a>>, event: Event<'a>) -> Value {
    match event {
        Event::Scalar(text, style, ..) => scalar(&text, style),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(parser) {
                    Event::SequenceEnd => break Value::Array(items),
                    event => items.push(node(parser, event)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                match next(parser) {
                    Event::MappingEnd => break Value::Object(map),
                    key => {
                        let Value::String(key) = node(parser, key) else { panic!("a key is a text") };
                        let event = next(parser);
                        let value = node(parser, event);
                        assert!(map.insert(key.clone(), value).is_none(), "`{key}` stands twice");
                    }
                }
            }
        }
        event => panic!("{event:?} has no place in a manifest"),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
        (ScalarStyle::Plain, "true") => true.into(),
        (ScalarStyle::Plain, "false") => false.into(),
        (ScalarStyle::Plain, number) => number.parse::<i64>().map_or_else(|_| number.into(), Value::from),
        (_, text) => text.into(),
    }
}

/// What a kustomization comes to.
#[derive(Default)]
pub(crate) struct Kustomized {
    /// Its objects, patched.
    pub(crate) objects: Vec<Value>,
    /// Name, key and file of each entry of a map that is made of files.
    pub(crate) maps: Vec<(String, String, PathBuf)>,
    /// Every file that it is made of.
    pub(crate) files: Vec<PathBuf>,
}

impl Kustomized {
    /// Puts the kustomization in a folder together.
    pub(crate) fn of(dir: &Path) -> Kustomized {
        let mut all = Kustomized::default();
        all.add(dir);
        all
    }

    /// Adds another kustomization, or lays a component over what is there.
    pub(crate) fn add(&mut self, dir: &Path) {
        let file = dir.join("kustomization.yaml");
        let Value::Object(what) = document(&text(&file)) else { panic!("{}: a map", file.display()) };
        self.files.push(file.canonicalize().expect("a path"));
        for resource in list(what.get("resources")) {
            let path = dir.join(resource.as_str().expect("a path"));
            if path.is_dir() {
                self.add(&path);
            } else {
                self.objects.push(document(&text(&path)));
                self.files.push(path.canonicalize().expect("a path"));
            }
        }
        for (key, value) in &what {
            match key.as_str() {
                "apiVersion" | "kind" | "namespace" | "resources" => {}
                "configMapGenerator" => list(Some(value)).iter().for_each(|map| self.map(dir, map)),
                "images" => list(Some(value)).iter().for_each(|image| self.image(image)),
                "patches" => list(Some(value)).iter().for_each(|patch| self.patch(patch)),
                other => panic!("{}: `{other}` is not known to this test", dir.display()),
            }
        }
    }

    fn map(&mut self, dir: &Path, map: &Value) {
        for file in list(map.get("files")) {
            let key = file.as_str().expect("a file").to_owned();
            let path = dir.join(&key).canonicalize().expect("the file of a map");
            self.files.push(path.clone());
            self.maps.push((map["name"].as_str().expect("a name").to_owned(), key, path));
        }
    }

    fn image(&self, image: &Value) {
        assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"), "the tag of `{}`", image["name"]);
    }

    fn patch(&mut self, patch: &Value) {
        let of = |object: &Value| (object["kind"].clone(), object["metadata"]["name"].clone());
        let target = (patch["target"]["kind"].clone(), patch["target"]["name"].clone());
        let object = self.objects.iter_mut().find(|object| of(object) == target);
        let object = object.unwrap_or_else(|| panic!("a patch for {target:?}, which is not there"));
        for step in list(Some(&document(patch["patch"].as_str().expect("a patch")))) {
            let path = step["path"].as_str().expect("a path");
            let (parent, key) = path.rsplit_once('/').expect("a path with a parent");
            let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{path}: its parent is not there"));
            match (step["op"].as_str(), parent) {
                (Some("add"), Value::Array(items)) if key == "-" => items.push(step["value"].clone()),
                (Some("replace"), Value::Object(map)) => {
                    assert!(map.insert(key.to_owned(), step["value"].clone()).is_some(), "{path}: nothing to replace");
                }
                _ => panic!("{path}: this step is not known to this test: {step}"),
            }
        }
    }

    /// The only object of a kind.
    pub(crate) fn object(&self, kind: &str) -> &Value {
        let mut found = self.objects.iter().filter(|object| object["kind"] == kind);
        let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(found.next().is_none(), "one {kind}");
        object
    }
}

/// The items of a list; none where there is none.
pub(crate) fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}
