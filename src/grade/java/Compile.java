import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.Modifier;
import javax.lang.model.element.NestingKind;
import javax.lang.model.element.TypeElement;
import javax.lang.model.type.TypeKind;
import javax.lang.model.util.ElementFilter;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.StandardLocation;
import javax.tools.ToolProvider;

import com.sun.source.util.JavacTask;
import com.sun.source.util.TaskEvent;
import com.sun.source.util.TaskListener;

/**
 * java Compile.java OUT FILE...: each FILE as `java FILE` compiles it, its classes in OUT/0, OUT/1 and so on, and the
 * name of the class that `java FILE` would run in OUT/0.main and so on. Of a FILE of which the compiler has anything to
 * say, be it a note, there is no such name.
 */
public class Compile {
    /** What `java FILE` gives the compiler (JEP 330), so that a word of it about this file is a word there, too. */
    private static final List<String> OPTIONS =
            List.of("-proc:none", "-implicit:none", "-Xlint:deprecation", "-Xlint:unchecked", "-Xlint:-options");

    /** The first class at the top level: it is the one that is run. */
    private static class First implements TaskListener {
        boolean isThere;
        String name;

        @Override
        public void started(TaskEvent event) {
            TypeElement type = event.getKind() == TaskEvent.Kind.ANALYZE ? event.getTypeElement() : null;
            if (!isThere && type != null && type.getNestingKind() == NestingKind.TOP_LEVEL) {
                isThere = true;
                name = hasMain(type) ? type.getQualifiedName().toString() : null;
            }
        }
    }

    public static void main(String[] args) throws Exception {
        for (int at = 1; at < args.length; at++) {
            Path out = Files.createDirectories(Path.of(args[0], String.valueOf(at - 1)));
            String name = compile(new File(args[at]), out.toFile());
            if (name != null) {
                Files.write(Path.of(args[0], at - 1 + ".main"), name.getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    private static String compile(File file, File out) throws Exception {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        DiagnosticCollector<JavaFileObject> said = new DiagnosticCollector<>();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(said, null, null)) {
            files.setLocation(StandardLocation.CLASS_OUTPUT, List.of(out));
            files.setLocation(StandardLocation.CLASS_PATH, List.of());
            files.setLocation(StandardLocation.SOURCE_PATH, List.of());
            JavacTask task =
                    (JavacTask) compiler.getTask(null, files, said, OPTIONS, null, files.getJavaFileObjects(file));
            First first = new First();
            task.addTaskListener(first);
            return task.call() && said.getDiagnostics().isEmpty() ? first.name : null;
        }
    }

    /** Its own, not one that it inherits: `java FILE` takes no other. */
    private static boolean hasMain(TypeElement type) {
        for (ExecutableElement method : ElementFilter.methodsIn(type.getEnclosedElements())) {
            boolean isMain = method.getSimpleName().contentEquals("main")
                    && method.getModifiers().containsAll(Set.of(Modifier.PUBLIC, Modifier.STATIC))
                    && method.getReturnType().getKind() == TypeKind.VOID
                    && method.getParameters().size() == 1
                    && method.getParameters().get(0).asType().toString().equals("java.lang.String[]");
            if (isMain) {
                return true;
            }
        }
        return false;
    }
}
