//! Whatever a line is, the cheap test and the languages agree, and nothing panics.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn what_may_not_begin_does_not(
        line in "(panic: |Error: |[a-z.]{1,9}Exception: |goroutine 1 \\[|thread 'a' panicked at |/a.js:1|a.rb:1:in '|#0 |PHP |\t|  | ?at )?[ -~\t]{0,30}(:|\\)|\\]:|last\\):|[0-9])?",
        state in 0_u8..9,
    ) {
        let shown = line.as_bytes();
        let all = (0..COUNT).fold(Set::NONE, Set::with);
        for set in [Set::auto(), all] {
            if !may_begin(set, shown) {
                let parts = Line::new(shown);
                for (at, language) in LANGUAGES.iter().enumerate().filter(|(at, _)| set.has(*at)) {
                    prop_assert_eq!((language.first)(&parts), 0, "{} takes {:?} {}", language.name, line, at);
                }
            }
            next(set, States([state; COUNT]), shown);
        }
    }

    #[test]
    fn any_bytes_are_looked_at(line in proptest::collection::vec(any::<u8>(), 0..40), state in 0_u8..9) {
        first(Set::auto(), &line);
        next(Set::auto(), States([state; COUNT]), &line);
    }
}
