import java.net.*;
import java.util.Scanner;

public class Speaker {
    public static void main(String[] args) throws Exception {
        InetAddress group = InetAddress.getByName("230.0.0.0");
        int port = Integer.parseInt(args[1]);
        try (DatagramSocket socket = new DatagramSocket(); Scanner in = new Scanner(System.in)) {
            System.out.println("Ready. Every line goes to " + group.getHostAddress());
            while (in.hasNextLine()) {
                byte[] line = in.nextLine().getBytes();
                socket.send(new DatagramPacket(line, line.length, group, port));
            }
        }
    }
}
